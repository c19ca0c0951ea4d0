"""Real rows to look at: those that only the LLM or only the small model answers right, and why answers are wrong."""

import json
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field

from swap_assets.domain.formats.base import Track
from swap_assets.domain.keys import Form
from swap_assets.domain.model import EvalCase, Frozen, ToolCall
from swap_assets.domain.report.figures import exact_rows
from swap_assets.domain.report.inputs import AnswerText, ReportInputs
from swap_assets.domain.report.tables import Group, Table, frame
from swap_assets.domain.report.wording import display_name, excerpt, spaced
from swap_assets.domain.scoring.evaluation import Evaluation

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
    of_model = (item for item in inputs.contenders if item.candidate.model == own.candidate.model)
    before = next((item for item in of_model if item.candidate.form is Form.BASE), None)
    said: list[tuple[Role, Evaluation | None]] = [("LLM", inputs.llm), ("SLM before", before)]
    if before is not own:
        said.append(("SLM after", own))

    def tell(case_ids: Iterable[str], limit: int) -> tuple[RowExample, ...]:
        cases = [inputs.cases[case] for case in case_ids if case in inputs.cases]
        return tuple(_example(case, said, inputs.answer_text) for case in _spread(cases, limit))

    mine, llm = exact_rows(own), exact_rows(inputs.llm)
    shared = [case for case in mine if case in llm]
    classes = {row.failure for row in result.rows} - {"none"}
    wrong = {name: [row.case_id for row in result.rows if row.failure == name] for name in classes}
    return RowsToLookAt(
        candidate_id=candidate_id,
        llm_wins=tell((case for case in shared if llm[case] and not mine[case]), A_SIDE),
        slm_wins=tell((case for case in shared if mine[case] and not llm[case]), A_SIDE),
        failures={name: tell(cases, A_CLASS)
                  for name, cases in sorted(wrong.items(), key=lambda item: (-len(item[1]), item[0]))},
    )  # fmt: skip


def _example(case: EvalCase, said: Sequence[tuple[Role, Evaluation | None]], text: AnswerText) -> RowExample:
    """Return request, gold, and what the LLM, the small model before and after training said."""
    asked = [turn for turn in case.history if turn.role == "user"]
    return RowExample(
        case_id=case.id, origin=case.origin, labels=case.labels, request=excerpt(asked[-1].text if asked else ""),
        earlier_turns=max(0, len(case.history) - 1), tools=tuple(tool.name for tool in case.tools[:12]),
        gold=excerpt(_calls(case.gold_calls) or f"no call; for example: {case.gold_text}"),
        answers=tuple(_answer(role, item, case.id, text) for role, item in said if item),
    )  # fmt: skip


def _answer(role: Role, item: Evaluation, case_id: str, answer_text: AnswerText) -> ExampleAnswer:
    name, result = display_name(item.candidate.id), item.track(Track.TOOLCALL)
    row = next((row for row in result.rows if row.case_id == case_id), None) if result else None
    if row is None:
        return ExampleAnswer(role=role, name=name, text="this row was not asked", right=None)
    text = answer_text(item.candidate.id, Track.TOOLCALL, case_id)
    if text is None:
        text = _calls(row.extracted_calls) or NOT_KEPT
    return ExampleAnswer(
        role=role, name=name, text=excerpt(text or "(an empty answer)"),
        right=row.exact_match == 1.0 if row.scored else None, failure="" if row.failure == "none" else row.failure,
        difference=excerpt(row.first_difference, 300),
    )  # fmt: skip


def _spread(cases: Sequence[EvalCase], limit: int) -> list[EvalCase]:
    """Choose rows of different conversations first, so that one long conversation does not fill the page."""
    firsts = {case.conversation_id: case for case in reversed(cases)}
    chosen = {case.id for case in firsts.values()}
    return sorted(cases, key=lambda case: (case.id not in chosen, case.id))[:limit]


def _calls(calls: Sequence[ToolCall]) -> str:
    told = ({"name": call.name, "arguments": call.arguments} for call in calls)
    return "\n".join(json.dumps(call, ensure_ascii=False, default=str) for call in told)


def group(title: str, examples: Sequence[RowExample], total: int) -> Group:
    """Return examples under a heading that says of how many rows they are."""
    return Group(title=f"{title} ({len(examples)} of {total})", tables=tuple(map(_table, examples)))


def _table(example: RowExample) -> Table:
    labels = ", ".join(f"{spaced(key)}: {value}" for key, value in example.labels.items())
    earlier = f" (after {example.earlier_turns} earlier messages)" if example.earlier_turns else ""
    lines = [
        (f"request{earlier}", example.request, ""), ("tools offered", ", ".join(example.tools) or "none", ""),
        ("right answer", example.gold, ""),
        *((f"{answer.role}: {answer.name}", answer.text, _mark(answer)) for answer in example.answers),
    ]  # fmt: skip
    title = f"{example.case_id} · {example.origin} row · {labels}"
    return Table(name=example.case_id, caption=title, frame=frame(("who", "text", ""), lines))


def _mark(answer: ExampleAnswer) -> str:
    if answer.right is not False:
        return "right" if answer.right else "not scored"
    return f"wrong, {spaced(answer.failure)}: {answer.difference}" if answer.failure else "wrong"
