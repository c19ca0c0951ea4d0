"""The hand-worked cases, each a test whose name is its reason."""

import pytest

from swap_assets.domain.model import EvalCase, ToolCall, ToolSpec
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.scoring.row_scoring import score_all
from swap_assets.domain.scoring.scores import RowScore
from swap_assets_tests.domain.scoring_cases import Case
from swap_assets_tests.domain.scoring_cases_calls import CALLS, NO_CALLS
from swap_assets_tests.domain.scoring_cases_formats import NAMED_TAGS, OTHER_FORMATS
from swap_assets_tests.domain.scoring_cases_hermes import HERMES
from swap_assets_tests.domain.scoring_cases_values import VALUES

ALL_CASES = [*HERMES, *NAMED_TAGS, *OTHER_FORMATS, *VALUES, *CALLS, *NO_CALLS]


def score(case: Case) -> RowScore:
    gold = EvalCase(
        id="case",
        conversation_id="conversation",
        turn=1,
        tools=tuple(ToolSpec.model_validate(tool) for tool in case.tools),
        history=(),
        gold_calls=tuple(ToolCall(name=name, arguments=arguments) for name, arguments in case.gold),
        ordered=case.ordered,
        origin="real",
    )
    record = PredictionRecord.model_validate(
        {
            "case_id": "case",
            "conversation_id": "conversation",
            "candidate_id": "any",
            "answer_format": case.answer_format,
            "request_hash": "",
            "prompt_hash": "",
            "text": case.answer,
            "finish_reason": case.finish,
        }
    )
    return score_all([gold], [record])[0]


def test_there_are_at_least_sixty_hand_worked_cases_and_each_has_a_reason_of_its_own():
    assert len(ALL_CASES) >= 60
    assert len({case.why for case in ALL_CASES}) == len(ALL_CASES)


@pytest.mark.parametrize("case", ALL_CASES, ids=[case.why for case in ALL_CASES])
def test_by_hand(case: Case):
    found = score(case)
    for name, expected in case.expect.items():
        value = getattr(found, name)
        same = value == pytest.approx(expected) if isinstance(expected, float) else value == expected
        assert same, f"{name} should be {expected!r}, is {value!r}"
