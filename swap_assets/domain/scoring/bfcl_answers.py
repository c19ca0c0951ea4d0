"""Reading an answer as BFCL has models write it.

That is Python calls, `[area(base=10, height=5), now()]`, or decoded JSON, `[{"area": {"base": 10, "height": 5}}]`.
Both are to the letter; anything else is read leniently, as a tagged call.
"""

import ast
import json
import operator
import warnings
from typing import Any

from swap_assets.domain.conversations import ToolCall
from swap_assets.domain.formats.base import ParsedAnswer
from swap_assets.domain.formats.calls_in_json import make_call
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.literals import MAX_DEPTH, LiteralError, read_strict, read_tolerant

MAX_PYTHON_CHARS = 20_000  # Python's own parser is asked, and it needs memory for what it cannot parse


_OPERATIONS: dict[type[ast.operator], Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip


class BfclAnswerError(ValueError):
    """The text holds no calls in one of BFCL's two forms."""


def parse_bfcl_answer(text: str) -> ParsedAnswer:
    """Read an answer; it never raises. Words without a call are an answer without calls, as for irrelevance."""
    for read in (_decoded_calls, python_calls):
        try:
            calls = tuple(read(text.strip()))
        except BfclAnswerError:
            continue
        words = "" if calls else "[]"
        return ParsedAnswer(calls=calls, strict_calls=calls, compliant=True, valid_json=True, text=words)
    parsed = HERMES.read(text)
    return parsed.model_copy(update={"strict_calls": (), "compliant": parsed.compliant and not parsed.calls})


def accepted_by_text(text: str) -> list[dict[str, dict[str, list[Any]]]]:
    """Read gold that is a text: BFCL's accepted values as JSON or Python repr, or calls, whose own values are right.

    Raises:
        BfclAnswerError: it holds neither; gold without a call is written `[]`.
    """
    try:
        value, end, _ = read_tolerant(text)
    except LiteralError:
        value, end = None, 0
    if isinstance(value, list) and not text[end:].strip() and all(map(_has_accepted_values, value)):
        return value
    calls = parse_bfcl_answer(text).calls
    if not calls:
        raise BfclAnswerError("the reference holds neither accepted values nor calls that can be read")
    return [{call.name: {key: [_accepting(inner)] for key, inner in call.arguments.items()}} for call in calls]


def _has_accepted_values(call: Any) -> bool:
    if not isinstance(call, dict) or len(call) != 1:
        return False
    ((_, parameters),) = call.items()
    return isinstance(parameters, dict) and all(isinstance(values, list) for values in parameters.values())


def _accepting(value: Any) -> Any:
    """Return what accepts one value: the keys of an object have accepted values of their own."""
    if isinstance(value, dict):
        return {key: [inner] for key, inner in value.items()}
    return [_accepting(inner) for inner in value] if isinstance(value, list) else value


def _decoded_calls(text: str) -> list[ToolCall]:
    try:
        value, end, *_ = read_strict(text)
    except LiteralError as error:
        raise BfclAnswerError(str(error)) from None
    shaped = isinstance(value, list) and all(isinstance(call, dict) and len(call) == 1 for call in value)
    if end != len(text) or not shaped:
        raise BfclAnswerError("no list of one-function objects")
    calls = [make_call(*next(iter(call.items()))) for call in value]
    if not all(calls):
        raise BfclAnswerError("a function's arguments are no object")
    return [call for call in calls if call]


def python_calls(text: str) -> list[ToolCall]:
    """Read Python calls with keyword arguments; the list's brackets may be missing, as BFCL allows.

    Raises:
        BfclAnswerError: the text is longer than 20,000 characters, no Python, or holds anything but such calls.
    """
    text = text.strip("`\n ")
    if len(text) > MAX_PYTHON_CHARS or "(" not in text:
        raise BfclAnswerError("no Python calls")
    text = text if text.startswith("[") else f"[{text}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes in the model's strings
            body = ast.parse(text if text.endswith("]") else f"{text}]", mode="eval").body
        if not isinstance(body, ast.List):
            raise BfclAnswerError("no list of calls")
        return [_call(element) for element in body.elts]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BfclAnswerError(f"no Python calls: {error}") from None


def _call(node: ast.expr) -> ToolCall:
    """Return a call; arguments by position are dropped, as BFCL drops them."""
    if not isinstance(node, ast.Call):
        raise BfclAnswerError("something in the list is no call")
    parts, function = [], node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if not isinstance(function, ast.Name):
        raise BfclAnswerError("a function is called by something other than its name")
    arguments = {keyword.arg: _value(keyword.value, 0) for keyword in node.keywords if keyword.arg}
    return ToolCall(name=".".join([function.id, *reversed(parts)]), arguments=arguments)


def _value(node: ast.expr, depth: int) -> Any:
    """Return what an argument says: a variable by its name, an inner call with keywords as an object."""
    if depth > MAX_DEPTH:
        raise BfclAnswerError("nested too deep")
    if isinstance(node, ast.Constant):
        return _constant(node.value)
    if isinstance(node, ast.UnaryOp | ast.BinOp):
        return _arithmetic(node, depth)
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(element, depth + 1) for element in node.elts]
    if isinstance(node, ast.Dict) and all(isinstance(key, ast.Constant) for key in node.keys):
        keys = [_key(key) for key in node.keys]
        return {key: _value(inner, depth + 1) for key, inner in zip(keys, node.values, strict=True)}
    if isinstance(node, ast.Call) and node.keywords:
        call = _call(node)
        return {call.name: call.arguments}
    if isinstance(node, ast.Name | ast.Call | ast.Subscript):
        return ast.unparse(node)
    raise BfclAnswerError("an argument is no literal")


def _constant(value: Any) -> Any:
    if value is Ellipsis:
        return "..."
    if value is None or isinstance(value, str | int | float):
        return value
    raise BfclAnswerError("an argument is of a type that JSON has not")


def _arithmetic(node: ast.UnaryOp | ast.BinOp, depth: int) -> int | float:
    """Return the value of `-3` or `2 * 5`, over numbers small enough to be harmless."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        number = _value(node.operand, depth + 1)
        if isinstance(number, int | float):
            return -number if isinstance(node.op, ast.USub) else number
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        sides = _value(node.left, depth + 1), _value(node.right, depth + 1)
        if all(isinstance(side, int | float) and abs(side) < 1e15 for side in sides) and (
            sides[1] or not _divides(node)
        ):
            return _OPERATIONS[type(node.op)](*sides)
    raise BfclAnswerError("an argument is no literal")


def _divides(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod)


def _key(node: ast.expr | None) -> str:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else json.dumps(value, default=str)
