"""Scoring files of answers that come from anywhere: rows of gold and rows of predictions, matched by id.

Gold rows say `{"id": "7", "reference": "<tool_call>..."}` in the answer format's own words (read leniently: Python repr
too), are the project's own cases, or for `bfcl` `{"id", "ground_truth"}` with `function` beside it where there is one.
Prediction rows say `{"id": "7", "prediction": "..."}` or are the project's own records; a prediction of null was not
obtained. Reading files and printing lives in `cli`.
"""

import json
import marshal
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from swap_assets.domain.formats.base import AnswerFormat, ParsedAnswer, answer_formats, named_format
from swap_assets.domain.formats.literals import LiteralError, read_tolerant
from swap_assets.domain.model import EvalCase, Frozen, ToolSpec
from swap_assets.domain.predictions import FinishReason, finish_reason
from swap_assets.domain.scoring.bfcl import is_relevance, score_bfcl, score_relevance
from swap_assets.domain.scoring.bfcl_answers import accepted_by_text, holds_accepted_values, parse_bfcl_answer
from swap_assets.domain.scoring.fields import may_use_a_result, uses_earlier_result
from swap_assets.domain.scoring.row_scoring import function_asked_for, score_answer, unscored
from swap_assets.domain.scoring.scores import RowScore

BFCL = "bfcl"
_Line = Mapping[str, Any]
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
    any_call: bool = Field(default=False, description="BFCL's relevance: a call is right, whichever it is")

    @property
    def id(self) -> str:
        """What predictions name it by."""
        return self.case.id

    def score(self, answer_format: AnswerFormat | None, given: "GivenRow | None") -> RowScore:
        """Score a prediction; without one, or with one that was not obtained, the row is unscored."""
        if given is None or given.text is None or given.finish_reason == "error":
            return unscored(self.case, "no prediction for this id" if given is None else given.error or "not obtained")
        if answer_format is None:
            parsed = parse_bfcl_answer(given.text)
            if self.any_call:
                return score_relevance(self.case, self.functions, parsed)
            return score_bfcl(self.case, self.functions, self.accepted, parsed)
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


_Read = TypeVar("_Read", GoldRow, GivenRow)
Gold = Mapping[str, GoldRow]
Given = Mapping[str, GivenRow]


def format_names() -> tuple[str, ...]:
    """Return the names that `--format` takes: every answer format's, and BFCL's."""
    return (*answer_formats(), BFCL)


def format_named(name: str) -> AnswerFormat | None:
    """Return an answer format, None for BFCL, which is a rule of its own; an AnswerFileError where there is none."""
    try:
        return None if name == BFCL else named_format(name)
    except ValueError:
        raise AnswerFileError(f"'{name}' is no answer format: choose one of {', '.join(format_names())}") from None


def gold_rows(answer_format: AnswerFormat | None, rows: Sequence[_Line]) -> dict[str, GoldRow]:
    """Read gold rows by id; an AnswerFileError names all that cannot be read, lack their id or have it twice."""
    return _by_id(rows, _bfcl_gold if answer_format is None else partial(_gold, answer_format), kind="gold")


def given_rows(rows: Sequence[_Line]) -> dict[str, GivenRow]:
    """Read prediction rows by id; an AnswerFileError names all that lack id or prediction or come twice."""
    return _by_id(rows, _given, kind="prediction")


def _by_id(rows: Sequence[_Line], read: Callable[[_Line], _Read], *, kind: str) -> dict[str, _Read]:
    """Read rows by id; those that cannot be used are named in one sentence: the first with their reason, all by id."""
    found: dict[str, _Read] = {}
    problems: list[tuple[str, str]] = []
    for number, row in enumerate(rows, start=1):
        try:
            one = read(row)
        except (ValueError, TypeError) as error:
            named = row.get("id") is not None
            problems.append((str(row["id"]) if named else f"line {number}", _reason(error)))
            continue
        if one.id in found:
            problems.append((one.id, "comes twice"))
        found[one.id] = one
    if not problems:
        return found
    named = "; ".join(f"{row_id} ({reason})" for row_id, reason in problems[:_EXPLAINED])
    if others := ", ".join(row_id for row_id, _ in problems[_EXPLAINED:_NAMED]):
        more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        named += f"; and {others}{more}"
    counted = f"{len(problems)} {kind} row{'s' if len(problems) > 1 else ''}"
    raise AnswerFileError(f"{counted} cannot be used, nothing was scored: {named}")


def score_rows(answer_format: AnswerFormat | None, gold: Gold, given: Given) -> list[RowScore]:
    """Score every gold row in its order; one without a prediction is unscored."""
    return [row.score(answer_format, given.get(row_id)) for row_id, row in gold.items()]


def _gold(answer_format: AnswerFormat, row: _Line) -> GoldRow:
    if "gold_calls" in row:
        try:
            return GoldRow(case=EvalCase.model_validate(row))
        except ValidationError as error:
            raise ValueError(f"no case of this project: {_reason(error)}") from None
    if row.get("id") is None or "reference" not in row:
        raise ValueError("needs `id` and `reference`")
    reference = _as_text(row["reference"])
    tools = _tools(marshal.dumps(_listed(row.get("tools")), 2))
    function = str(row.get("function") or (tools[0].name if len(tools) == 1 else ""))
    read = None if reference is None else answer_format.read(reference, function=function)
    calls = () if read is None else answer_format.reference_calls(read)
    if isinstance(row["reference"], bool | int | float):
        raise ValueError("`reference` is a number: an answer is text, or JSON that holds calls")
    # Most texts cannot refer to an earlier result at all, which spares a walk through their calls.
    refers = reference is not None and ("\\u" in reference or may_use_a_result(reference))
    ordered = bool(row["ordered"]) if "ordered" in row else refers and uses_earlier_result(calls)
    case = _case(row, tools=tools, gold_calls=calls, ordered=ordered)
    return GoldRow(case=case, reference=reference or "", read=read)


def _case(row: _Line, **known: Any) -> EvalCase:
    """Return the case of a row that stands alone in its conversation unless it names one."""
    labels = row.get("labels") or {}
    if not isinstance(labels, dict):
        raise ValueError('`labels` is an object such as {"domain": "travel"}')
    return EvalCase(
        id=str(row["id"]), conversation_id=str(row.get("conversation_id", row["id"])), turn=0, history=(),
        labels={str(key): str(value) for key, value in labels.items()}, origin=row.get("origin") or "real",
        **{"tools": (), "gold_calls": (), **known},
    )  # fmt: skip


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
    tools = []
    for tool in marshal.loads(written):
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(name := function.get("name"), str):
            raise ValueError(_TOOLS_WANTED)
        parameters = function.get("parameters") or {}
        if not isinstance(parameters, dict):
            raise ValueError(f"the parameters of tool '{name}' are no JSON Schema")
        description = str(function.get("description") or "")
        tools.append(ToolSpec(name=name, description=description, parameters=parameters))
    return tuple(tools)


def _bfcl_gold(row: _Line) -> GoldRow:
    accepted = row["ground_truth"] if "ground_truth" in row else row.get("reference")
    accepted = accepted_by_text(accepted) if isinstance(accepted, str) else accepted
    accepted = [accepted] if isinstance(accepted, dict) else accepted
    if row.get("id") is None or not (accepted or "ground_truth" in row or "reference" in row or "function" in row):
        raise ValueError("needs `id` and `ground_truth`, or `function` alone where no call (relevance: any) is right")
    functions = row.get("function") or ()
    if not all(map(holds_accepted_values, accepted or ())):
        raise ValueError('an accepted call is written {"function": {"parameter": [accepted values]}}')
    return GoldRow(
        case=_case(row), functions=tuple([functions] if isinstance(functions, dict) else functions),
        accepted=tuple(accepted or ()), any_call=accepted is None and is_relevance(str(row["id"])),
        reference=json.dumps(accepted or [], ensure_ascii=False),
    )  # fmt: skip


def _given(row: _Line) -> GivenRow:
    row_id, key = row.get("id", row.get("case_id")), "prediction" if "prediction" in row else "text"
    if row_id is None or key not in row:
        raise ValueError("needs `id` and `prediction`")
    finish = finish_reason(row.get("finish_reason"))
    return GivenRow(id=str(row_id), text=_as_text(row[key]), finish_reason=finish, error=str(row.get("error") or ""))


def _as_text(value: Any) -> str | None:
    """Return a text as it is and any other JSON value as its JSON, as when `tool_calls` stand in the row as a list."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"`{'.'.join(map(str, first['loc']))}`: {first['msg']}"
    return str(error).splitlines()[0][:160]
