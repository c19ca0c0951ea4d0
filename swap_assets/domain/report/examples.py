"""Real rows to look at: those that one side wins, and why answers are wrong, with what each candidate said."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import Field

from swap_assets.domain.conversations import EvalCase, ToolCall
from swap_assets.domain.formats.base import Track
from swap_assets.domain.model import Frozen
from swap_assets.domain.report.foreign import excerpt
from swap_assets.domain.report.inputs import ReportInputs
from swap_assets.domain.report.names import display_name
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.scoring.scores import RowScore

A_CLASS = 3  # examples of each failure class
A_SIDE = 4  # rows that one side wins
NOT_KEPT = "the text was not kept"
Role = Literal["LLM", "SLM before", "SLM after"]


class ExampleAnswer(Frozen):
    """What one candidate said to a row, whether that was right (None: not scored), and the first difference."""

    role: Role
    name: str
    text: str
    right: bool | None
    failure: str = ""
    difference: str = ""


class RowExample(Frozen):
    """One test row with its gold answer and what was said; texts are cut, and foreign."""

    case_id: str
    origin: str
    labels: dict[str, str]
    request: str
    earlier_turns: int
    tools: tuple[str, ...]
    gold: str
    answers: tuple[ExampleAnswer, ...]


class RowWins(Frozen):
    """How a candidate and the LLM share the rows out by whole answers exactly right."""

    candidate_id: str
    name: str
    both: int
    only_llm: int
    only_slm: int
    neither: int


class Failures(Frozen):
    """How many rows of a candidate fell into each failure class."""

    candidate_id: str
    name: str
    track: Track
    rows: int
    counts: dict[str, int]


class RowsToLookAt(Frozen):
    """Examples for one candidate's tool calls; `shown` of `total` rows of each kind are in here."""

    candidate_id: str = ""
    name: str = ""
    llm_wins: tuple[RowExample, ...] = ()
    slm_wins: tuple[RowExample, ...] = ()
    failures: dict[str, tuple[RowExample, ...]] = Field(default_factory=dict)


def failures(inputs: ReportInputs) -> tuple[Failures, ...]:
    """Return the failure counts of every candidate and track."""
    return tuple(
        Failures(
            candidate_id=item.candidate.id,
            name=display_name(item.candidate.id),
            track=track,
            rows=item.results[track].summary.cases,
            counts={name: count for name, count in item.results[track].summary.failures.items() if count},
        )
        for track in Track
        for item in inputs.evaluated
        if track in item.results
    )


def row_wins(inputs: ReportInputs) -> tuple[RowWins, ...]:
    """Return for every candidate how many tool-call rows it and the LLM answer exactly right."""
    llm = _exact(inputs.llm)
    if not llm:
        return ()
    return tuple(_wins(item, _exact(item), llm) for item in inputs.contenders if item.track(Track.TOOLCALL) is not None)


def rows_to_look_at(inputs: ReportInputs, candidate_id: str) -> RowsToLookAt:
    """Return the examples of one candidate, the same ones each time, from as many conversations as possible."""
    own = next((item for item in inputs.contenders if item.candidate.id == candidate_id), None)
    result = own.track(Track.TOOLCALL) if own else None
    if own is None or result is None or not inputs.cases:
        return RowsToLookAt()
    teller = _Teller(inputs, own)
    mine, llm = _exact(own), _exact(inputs.llm)
    shared = [case for case in mine if case in llm]
    wrong: dict[str, list[RowScore]] = {}
    for row in result.rows:
        if row.failure != "none":
            wrong.setdefault(row.failure, []).append(row)
    return RowsToLookAt(
        candidate_id=candidate_id,
        name=display_name(candidate_id),
        llm_wins=teller.tell((case for case in shared if llm[case] and not mine[case]), A_SIDE),
        slm_wins=teller.tell((case for case in shared if mine[case] and not llm[case]), A_SIDE),
        failures={
            name: teller.tell((row.case_id for row in rows), A_CLASS)
            for name, rows in sorted(wrong.items(), key=lambda item: (-len(item[1]), item[0]))
        },
    )


class _Teller:
    """Tells rows: request, gold, and what the LLM, the small model before and after training said."""

    def __init__(self, inputs: ReportInputs, own: Evaluation) -> None:
        before = inputs.base_of(own.candidate.model)
        said: list[tuple[Role, Evaluation | None]] = [("LLM", inputs.llm)]
        said += (
            [("SLM before", own), ("SLM after", None)]
            if before is own
            else [("SLM before", before), ("SLM after", own)]
        )
        self._inputs = inputs
        self._said: list[tuple[Role, Evaluation, Mapping[str, RowScore]]] = [
            (role, item, _rows(item)) for role, item in said if item
        ]

    def tell(self, case_ids: Iterable[str], limit: int) -> tuple[RowExample, ...]:
        cases = [self._inputs.cases[case] for case in case_ids if case in self._inputs.cases]
        return tuple(self._example(case) for case in _spread(cases, limit))

    def _example(self, case: EvalCase) -> RowExample:
        asked = [turn for turn in case.history if turn.role == "user"]
        return RowExample(
            case_id=case.id,
            origin=case.origin,
            labels=case.labels,
            request=excerpt(asked[-1].text if asked else ""),
            earlier_turns=max(0, len(case.history) - 1),
            tools=tuple(tool.name for tool in case.tools[:12]),
            gold=excerpt(_calls(case.gold_calls) or f"no call; for example: {case.gold_text}"),
            answers=tuple(self._answer(role, item, rows.get(case.id)) for role, item, rows in self._said),
        )

    def _answer(self, role: Role, item: Evaluation, row: RowScore | None) -> ExampleAnswer:
        name = display_name(item.candidate.id)
        if row is None:
            return ExampleAnswer(role=role, name=name, text="this row was not asked", right=None)
        text = self._inputs.answer_text(item.candidate.id, Track.TOOLCALL, row.case_id)
        if text is None:
            text = _calls(row.extracted_calls) or NOT_KEPT
        return ExampleAnswer(
            role=role,
            name=name,
            text=excerpt(text or "(an empty answer)"),
            right=row.exact_match == 1.0 if row.scored else None,
            failure="" if row.failure == "none" else row.failure,
            difference=excerpt(row.first_difference, 300),
        )


def _spread(cases: Sequence[EvalCase], limit: int) -> list[EvalCase]:
    """Choose rows of different conversations first, so that one long conversation does not fill the page."""
    firsts = {case.conversation_id: case for case in reversed(cases)}
    chosen = sorted(firsts.values(), key=lambda case: case.id)
    rest = (
        sorted((case for case in cases if case not in chosen), key=lambda case: case.id) if len(chosen) < limit else []
    )
    return [*chosen, *rest][:limit]


def _rows(item: Evaluation | None) -> Mapping[str, RowScore]:
    result = item.track(Track.TOOLCALL) if item else None
    return {row.case_id: row for row in result.rows} if result else {}


def _exact(item: Evaluation | None) -> dict[str, bool]:
    return {case: row.exact_match == 1.0 for case, row in _rows(item).items() if row.exact_match is not None}


def _wins(item: Evaluation, mine: dict[str, bool], llm: dict[str, bool]) -> RowWins:
    pairs = [(mine[case], llm[case]) for case in mine if case in llm]
    return RowWins(
        candidate_id=item.candidate.id,
        name=display_name(item.candidate.id),
        both=pairs.count((True, True)),
        only_llm=pairs.count((False, True)),
        only_slm=pairs.count((True, False)),
        neither=pairs.count((False, False)),
    )


def _calls(calls: Sequence[ToolCall]) -> str:
    return "\n".join(
        json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False, default=str) for call in calls
    )
