"""Scoring files of answers that come from anywhere: rows of gold and rows of predictions, matched by id.

Gold rows say `{"id": "7", "reference": "<tool_call>..."}` in the answer format's own words (read leniently: Python repr
too), are the project's own cases, or for `bfcl` `{"id", "ground_truth"}` with `function` beside it where there is one.
Prediction rows say `{"id": "7", "prediction": "..."}` or are the project's own records; a prediction of null was not
obtained. Reading files and printing lives in `cli`.
"""

import json
import marshal
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import Field, ValidationError

from swap_assets.domain.conversations import EvalCase, ToolSpec
from swap_assets.domain.formats.base import AnswerFormat, ParsedAnswer, answer_formats, named_format
from swap_assets.domain.formats.literals import LiteralError, read_tolerant
from swap_assets.domain.model import Frozen
from swap_assets.domain.predictions import FinishReason
from swap_assets.domain.scoring.bfcl import score_bfcl
from swap_assets.domain.scoring.bfcl_answers import accepted_by_text, parse_bfcl_answer
from swap_assets.domain.scoring.fields import uses_earlier_result
from swap_assets.domain.scoring.row_scoring import function_asked_for, score_answer, unscored
from swap_assets.domain.scoring.scores import RowScore

BFCL = "bfcl"
_EXPLAINED = 10  # rows that cannot be used are named with their reason,
_NAMED = 1_000  # then by their id alone
_TOOLS_WANTED = '`tools` is a list of {"name", "description", "parameters"}, alone or under "function"'


class AnswerFileError(ValueError):
    """Rows that cannot be scored; the message is one sentence that names the rows."""


class GoldRow(Frozen):
    """One expected answer: a case with gold calls, or for BFCL with `accepted` values and the functions on offer."""

    case: EvalCase
    reference: str = ""
    read: ParsedAnswer | None = Field(default=None, description="what was read out of `reference`")
    functions: tuple[dict[str, Any], ...] = ()
    accepted: tuple[dict[str, dict[str, list[Any]]], ...] = ()

    @property
    def expects_call(self) -> bool:
        """Whether a call is right on this row."""
        return bool(self.case.gold_calls or self.accepted)

    def score(self, answer_format: AnswerFormat | None, given: "GivenRow | None") -> RowScore:
        """Score a prediction; without one, or with one that was not obtained, the row is unscored."""
        if given is None or given.text is None or given.finish_reason == "error":
            return unscored(self.case, "no prediction for this id" if given is None else given.error or "not obtained")
        if answer_format is None:
            return score_bfcl(self.case, self.functions, self.accepted, parse_bfcl_answer(given.text))
        if given.finish_reason == "content_filter":
            parsed = answer_format.read("")
        elif self.read is not None and given.text == self.reference:
            parsed = self.read  # most right answers are gold to the letter, and reading is half of the work
        else:
            parsed = answer_format.read(given.text, function=function_asked_for(self.case))
        return score_answer(self.case, parsed, finish_reason=given.finish_reason)


class GivenRow(Frozen):
    """One prediction; `text` is None where it was not obtained."""

    id: str
    text: str | None
    finish_reason: FinishReason = "stop"
    error: str = ""


class Scored(Frozen):
    """All scores in gold's order, with the ids that stand on one side only."""

    rows: tuple[RowScore, ...]
    without_prediction: tuple[str, ...] = ()
    without_gold: tuple[str, ...] = ()


def format_names() -> tuple[str, ...]:
    """Return the names that `--format` takes: every answer format's, and BFCL's."""
    return (*answer_formats(), BFCL)


def format_named(name: str) -> AnswerFormat | None:
    """Return a answer format by its name, None for BFCL, which is a rule of its own.

    Raises:
        AnswerFileError: there is no such answer format.
    """
    if name == BFCL:
        return None
    try:
        return named_format(name)
    except ValueError:
        raise AnswerFileError(f"'{name}' is no answer format: choose one of {', '.join(format_names())}") from None


def gold_rows(answer_format: AnswerFormat | None, rows: Sequence[Mapping[str, Any]]) -> dict[str, GoldRow]:
    """Read gold rows by id.

    Raises:
        AnswerFileError: a row cannot be read, an id is missing or comes twice; it names all such rows.
    """
    found: dict[str, GoldRow] = {}
    problems: list[tuple[str, str]] = []
    for number, row in enumerate(rows, start=1):
        try:
            gold = _bfcl_gold(row) if answer_format is None else _gold(answer_format, row)
        except (ValueError, TypeError) as error:
            named = row.get("id") is not None
            problems.append((str(row["id"]) if named else f"line {number}", _reason(error)))
            continue
        if gold.case.id in found:
            problems.append((gold.case.id, "comes twice"))
        found[gold.case.id] = gold
    if problems:
        raise _unusable(problems, "gold")
    return found


def given_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, GivenRow]:
    """Read prediction rows by id.

    Raises:
        AnswerFileError: a row has no id or no prediction, or an id comes twice; it names all such rows.
    """
    found: dict[str, GivenRow] = {}
    problems: list[tuple[str, str]] = []
    for number, row in enumerate(rows, start=1):
        row_id = row.get("id", row.get("case_id"))
        key = "prediction" if "prediction" in row else "text"
        if row_id is None or key not in row:
            problems.append((f"line {number}", "needs `id` and `prediction`"))
        elif str(row_id) in found:
            problems.append((str(row_id), "comes twice"))
        else:
            found[str(row_id)] = _given(str(row_id), row[key], row)
    if problems:
        raise _unusable(problems, "prediction")
    return found


def score_rows(
    answer_format: AnswerFormat | None, gold: Mapping[str, GoldRow], given: Mapping[str, GivenRow]
) -> Scored:
    """Score every gold row in its order; ids that stand on one side only are named, never dropped silently."""
    return Scored(
        rows=tuple(row.score(answer_format, given.get(row_id)) for row_id, row in gold.items()),
        without_prediction=tuple(row_id for row_id in gold if row_id not in given),
        without_gold=tuple(row_id for row_id in given if row_id not in gold),
    )


def _gold(answer_format: AnswerFormat, row: Mapping[str, Any]) -> GoldRow:
    if "gold_calls" in row:
        try:
            case = EvalCase.model_validate(row)
        except ValidationError as error:
            raise ValueError(f"no case of this project: {_reason(error)}") from None
        return GoldRow(case=case)
    if row.get("id") is None or "reference" not in row:
        raise ValueError("needs `id` and `reference`")
    reference = _as_text(row["reference"])
    tools = _tools(marshal.dumps(_listed(row.get("tools")), 2))
    function = str(row.get("function") or (tools[0].name if len(tools) == 1 else ""))
    read = None if reference is None else answer_format.read(reference, function=function)
    calls = () if read is None else answer_format.reference_calls(read)
    if isinstance(row["reference"], bool | int | float):
        raise ValueError("`reference` is a number: an answer is text, or JSON that holds calls")
    ordered = bool(row["ordered"]) if "ordered" in row else _may_refer(reference) and uses_earlier_result(calls)
    case = _case(row, tools=tools, gold_calls=calls, ordered=ordered)
    return GoldRow(case=case, reference=reference or "", read=read)


def _case(row: Mapping[str, Any], **known: Any) -> EvalCase:
    """Return the case of a row that stands alone in its conversation unless it names one."""
    labels = row.get("labels") or {}
    if not isinstance(labels, dict):
        raise ValueError('`labels` is an object such as {"domain": "travel"}')
    return EvalCase(
        id=str(row["id"]),
        conversation_id=str(row.get("conversation_id", row["id"])),
        turn=0,
        history=(),
        labels={str(key): str(value) for key, value in labels.items()},
        origin=row.get("origin") or "real",
        **{"tools": (), "gold_calls": (), **known},
    )


def _may_refer(reference: str | None) -> bool:
    """Whether a text can hold a reference to an earlier result at all; most cannot, which spares a walk through it."""
    return reference is not None and any(mark in reference for mark in (".result", ".output", "\\u"))


def _listed(tools: Any) -> Any:
    """Return the tools of a row as a list; some files hold them as JSON text, or a single one."""
    if isinstance(tools, str) and tools.strip():
        try:
            tools = read_tolerant(tools).value
        except LiteralError:
            raise ValueError(_TOOLS_WANTED) from None
    return [tools] if isinstance(tools, dict) else tools or ()


@lru_cache(maxsize=4096)
def _tools(written: bytes) -> tuple[ToolSpec, ...]:
    """Return the tools of a row; rows that offer the same ones share them, and so their compiled schemas."""
    return tuple(_tool(tool) for tool in marshal.loads(written))


def _tool(tool: Any) -> ToolSpec:
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError(_TOOLS_WANTED)
    parameters = function.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise ValueError(f"the parameters of tool '{function['name']}' are no JSON Schema")
    return ToolSpec(name=function["name"], description=str(function.get("description") or ""), parameters=parameters)


def _bfcl_gold(row: Mapping[str, Any]) -> GoldRow:
    accepted = row["ground_truth"] if "ground_truth" in row else row.get("reference")
    accepted = accepted_by_text(accepted) if isinstance(accepted, str) else accepted
    accepted = [accepted] if isinstance(accepted, dict) else accepted
    if row.get("id") is None or not (accepted or "ground_truth" in row or "reference" in row or "function" in row):
        raise ValueError("needs `id` and `ground_truth`, or `function` alone where no call is right")
    functions = row.get("function") or ()
    for call in accepted or ():
        if not isinstance(call, dict) or len(call) != 1 or not all(_accepted_values(one) for one in call.values()):
            raise ValueError('an accepted call is written {"function": {"parameter": [accepted values]}}')
    return GoldRow(
        case=_case(row),
        functions=tuple([functions] if isinstance(functions, dict) else functions),
        accepted=tuple(accepted or ()),
        reference=json.dumps(accepted or [], ensure_ascii=False),
    )


def _accepted_values(parameters: Any) -> bool:
    return isinstance(parameters, dict) and all(isinstance(values, list) for values in parameters.values())


def _given(row_id: str, prediction: Any, row: Mapping[str, Any]) -> GivenRow:
    finish = row.get("finish_reason") or "stop"
    known = finish in ("stop", "length", "tool_calls", "content_filter", "error")
    return GivenRow(
        id=row_id,
        text=_as_text(prediction),
        finish_reason=finish if known else "stop",
        error=str(row.get("error") or ""),
    )


def _as_text(value: Any) -> str | None:
    """Return a text as it is and any other JSON value as its JSON, as when `tool_calls` stand in the row as a list."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"`{'.'.join(map(str, first['loc']))}`: {first['msg']}"
    return str(error).splitlines()[0][:160]


def _unusable(problems: Sequence[tuple[str, str]], kind: str) -> AnswerFileError:
    """Name the rows that cannot be used: the first with their reason, all others by id."""
    counted = f"{len(problems)} {kind} row{'s' if len(problems) > 1 else ''}"
    named = "; ".join(f"{row_id} ({reason})" for row_id, reason in problems[:_EXPLAINED])
    if others := ", ".join(row_id for row_id, _ in problems[_EXPLAINED:_NAMED]):
        more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        named += f"; and {others}{more}"
    return AnswerFileError(f"{counted} cannot be used, nothing was scored: {named}")
