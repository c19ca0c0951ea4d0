"""Real rows to look at: those that only the LLM or only the small model answers right, and why answers are wrong."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import Field

from swap_assets.domain.conversations import EvalCase, ToolCall
from swap_assets.domain.formats.base import Track
from swap_assets.domain.model import Frozen
from swap_assets.domain.report.figures import exact_rows
from swap_assets.domain.report.inputs import ReportInputs
from swap_assets.domain.report.tables import Group, Table, frame
from swap_assets.domain.report.wording import display_name, excerpt, spaced
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.scoring.scores import RowScore

A_CLASS = 3  # examples of each failure class
A_SIDE = 4  # rows that one of the two wins
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


class RowsToLookAt(Frozen):
    """Examples for one candidate's tool calls, by who wins the row and by failure class."""

    candidate_id: str = ""
    llm_wins: tuple[RowExample, ...] = ()
    slm_wins: tuple[RowExample, ...] = ()
    failures: dict[str, tuple[RowExample, ...]] = Field(default_factory=dict)


def rows_to_look_at(inputs: ReportInputs, candidate_id: str) -> RowsToLookAt:
    """Return the examples of one candidate, the same ones each time, from as many conversations as possible."""
    own = next((item for item in inputs.contenders if item.candidate.id == candidate_id), None)
    result = own.track(Track.TOOLCALL) if own else None
    if own is None or result is None or not inputs.cases:
        return RowsToLookAt()
    teller = _Teller(inputs, own)
    mine, llm = exact_rows(own), exact_rows(inputs.llm)
    shared = [case for case in mine if case in llm]
    wrong: dict[str, list[str]] = {}
    for row in result.rows:
        if row.failure != "none":
            wrong.setdefault(row.failure, []).append(row.case_id)
    return RowsToLookAt(
        candidate_id=candidate_id,
        llm_wins=teller.tell((case for case in shared if llm[case] and not mine[case]), A_SIDE),
        slm_wins=teller.tell((case for case in shared if mine[case] and not llm[case]), A_SIDE),
        failures={
            name: teller.tell(cases, A_CLASS)
            for name, cases in sorted(wrong.items(), key=lambda item: (-len(item[1]), item[0]))
        },
    )


class _Teller:
    """Tells rows: request, gold, and what the LLM, the small model before and after training said."""

    def __init__(self, inputs: ReportInputs, own: Evaluation) -> None:
        before = inputs.base_of(own.candidate.model)
        said: list[tuple[Role, Evaluation | None]] = [("LLM", inputs.llm), ("SLM before", before)]
        said += [("SLM after", own)] if before is not own else []
        self._inputs = inputs
        self._said = [(role, item, _rows(item)) for role, item in said if item]

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


def _rows(item: Evaluation) -> Mapping[str, RowScore]:
    result = item.track(Track.TOOLCALL)
    return {row.case_id: row for row in result.rows} if result else {}


def _calls(calls: Sequence[ToolCall]) -> str:
    return "\n".join(
        json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False, default=str) for call in calls
    )


def group(title: str, examples: Sequence[RowExample], total: int) -> Group:
    """Return examples under a heading that says of how many rows they are."""
    return Group(title=f"{title} ({len(examples)} of {total})", tables=tuple(map(_table, examples)))


def _table(example: RowExample) -> Table:
    labels = ", ".join(f"{spaced(key)}: {value}" for key, value in example.labels.items())
    earlier = f" (after {example.earlier_turns} earlier messages)" if example.earlier_turns else ""
    lines = [
        (f"request{earlier}", example.request, ""),
        ("tools offered", ", ".join(example.tools) or "none", ""),
        ("right answer", example.gold, ""),
        *((f"{answer.role}: {answer.name}", answer.text, _mark(answer)) for answer in example.answers),
    ]
    title = f"{example.case_id} · {example.origin} row · {labels}"
    return Table(name=example.case_id, caption=title, frame=frame(("who", "text", ""), lines))


def _mark(answer: ExampleAnswer) -> str:
    if answer.right is None:
        return "not scored"
    if answer.right:
        return "right"
    return f"wrong, {spaced(answer.failure)}: {answer.difference}" if answer.failure else "wrong"
