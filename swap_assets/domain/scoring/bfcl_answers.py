"""Reading an answer as BFCL has models write it.

That is Python calls, `[area(base=10, height=5), now()]`, or decoded JSON, `[{"area": {"base": 10, "height": 5}}]`.
Both are to the letter; anything else is read leniently, as a tagged call.
"""

import ast
import json
import operator
import warnings
from typing import Any

from swap_assets.domain.formats.base import ParsedAnswer
from swap_assets.domain.formats.calls_in_json import calls_of_list, make_call
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.literals import MAX_DEPTH, LiteralError, read_tolerant, read_whole
from swap_assets.domain.model import ToolCall

MAX_PYTHON_CHARS = 20_000  # Python's own parser is asked, and it needs memory for what it cannot parse
_OPERATIONS: dict[type[ast.operator], Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow,
}  # fmt: skip
_MAX_NUMBER, _MAX_POWER, _MAX_REPEATS = 1e15, 16, 100  # the official decoder evaluates without a limit


def parse_bfcl_answer(text: str) -> ParsedAnswer:
    """Read an answer; it never raises. Words without a call are an answer without calls, as for irrelevance."""
    for read in (_decoded_calls, python_calls):
        try:
            calls = read(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        words = "" if calls else "[]"
        return ParsedAnswer(calls=calls, strict_calls=calls, compliant=True, valid_json=True, text=words)
    parsed = HERMES.read(text)
    return parsed.model_copy(update={"strict_calls": (), "compliant": parsed.compliant and not parsed.calls})


def accepted_by_text(text: str) -> list[dict[str, dict[str, list[Any]]]]:
    """Read gold that is a text: accepted values, or calls, whose values are right; a ValueError where it is neither."""
    try:
        value, end, _ = read_tolerant(text)
    except LiteralError:
        value, end = None, 0
    if isinstance(value, list) and not text[end:].strip() and all(map(holds_accepted_values, value)):
        return value
    calls = parse_bfcl_answer(text).calls
    if not calls:
        raise ValueError("the reference holds neither accepted values nor calls that can be read")
    return [{call.name: {key: [_accepting(inner)] for key, inner in call.arguments.items()}} for call in calls]


def holds_accepted_values(call: Any) -> bool:
    """Whether a value is written `{"function": {"parameter": [accepted values]}}`."""
    if not isinstance(call, dict) or len(call) != 1:
        return False
    (parameters,) = call.values()
    return isinstance(parameters, dict) and all(isinstance(values, list) for values in parameters.values())


def _accepting(value: Any) -> Any:
    """Return what accepts one value: the keys of an object have accepted values of their own."""
    if isinstance(value, dict):
        return {key: [inner] for key, inner in value.items()}
    return [_accepting(inner) for inner in value] if isinstance(value, list) else value


def _decoded_calls(text: str) -> tuple[ToolCall, ...]:
    calls = calls_of_list(
        read_whole(text), lambda one: make_call(*one.popitem()) if isinstance(one, dict) and len(one) == 1 else None
    )
    if calls is None:
        raise ValueError("no list of one-function objects")
    return calls


def python_calls(text: str) -> tuple[ToolCall, ...]:
    """Read Python calls with keyword arguments, in brackets or not; raises what `ast.parse` does, or a ValueError."""
    text = text.strip("`\n ")
    if len(text) > MAX_PYTHON_CHARS or "(" not in text:
        raise ValueError("no Python calls")
    text = text if text.startswith("[") else f"[{text}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of invalid escapes in the model's strings
        body = ast.parse(text if text.endswith("]") else f"{text}]", mode="eval").body
    if not isinstance(body, ast.List):
        raise ValueError("no list of calls")
    return tuple(map(_call, body.elts))


def _call(node: ast.expr) -> ToolCall:
    """Return a call; arguments by position are dropped, as BFCL drops them."""
    if not isinstance(node, ast.Call):
        raise ValueError("something in the list is no call")
    parts, function = [], node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if not isinstance(function, ast.Name):
        raise ValueError("a function is called by something other than its name")
    arguments = {keyword.arg: _value(keyword.value, 0) for keyword in node.keywords if keyword.arg}
    return ToolCall(name=".".join([function.id, *reversed(parts)]), arguments=arguments)


def _value(node: ast.expr, depth: int) -> Any:
    """Return what an argument says: a variable by its name, an inner call with keywords as an object."""
    if depth > MAX_DEPTH:
        raise ValueError("nested too deep")
    match node:
        case ast.Constant(value=None | str() | int() | float()):
            return node.value
        case ast.Constant(value=value) if value is ...:
            return "..."
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            number = _value(node.operand, depth + 1)
            if isinstance(number, int | float):
                return -number if isinstance(node.op, ast.USub) else number
        case ast.BinOp():
            return _computed(node, depth)
        case ast.List() | ast.Tuple():
            return [_value(element, depth + 1) for element in node.elts]
        case ast.Dict() if all(isinstance(key, ast.Constant) for key in node.keys):
            return {_key(key): _value(inner, depth + 1) for key, inner in zip(node.keys, node.values, strict=True)}
        case ast.Call(keywords=[_, *_]):
            call = _call(node)
            return {call.name: call.arguments}
        case ast.Name() | ast.Call() | ast.Subscript():
            return ast.unparse(node)
    raise ValueError("an argument is no literal")


def _computed(node: ast.expr, depth: int) -> Any:
    """Return what numbers or texts come to, as long as that is small enough to be harmless."""
    if isinstance(node, ast.UnaryOp) or (isinstance(node, ast.Constant) and isinstance(node.value, str | int | float)):
        return _value(node, depth + 1)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS and depth <= MAX_DEPTH:
        one, other = _computed(node.left, depth + 1), _computed(node.right, depth + 1)
        if _harmless(node.op, one, other):
            return _OPERATIONS[type(node.op)](one, other)
    raise ValueError("an argument is no literal")


def _harmless(operation: ast.operator, one: Any, other: Any) -> bool:
    if isinstance(one, str):
        repeats = isinstance(operation, ast.Mult) and isinstance(other, int) and other <= _MAX_REPEATS
        return len(one) <= MAX_PYTHON_CHARS and (repeats or (isinstance(operation, ast.Add) and isinstance(other, str)))
    if not all(isinstance(number, int | float) and abs(number) < _MAX_NUMBER for number in (one, other)):
        return False
    if isinstance(operation, ast.Pow):
        return isinstance(other, int) and 0 <= other <= _MAX_POWER
    return bool(other) or not isinstance(operation, ast.Div | ast.FloorDiv | ast.Mod)


def _key(node: ast.expr | None) -> str:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else json.dumps(value, default=str)
