"""Small hand-written rows in the shapes of the real ones, and hypothesis strategies for conversations."""

import json
import random
from string import ascii_lowercase
from typing import Any

from hypothesis import strategies as st

from swap_assets.domain.model import Conversation, Provenance, Quarantined, ToolCall, ToolResponse, ToolSpec, Turn
from swap_assets.domain.reading.parsing import conversation_id, parse_row

CALL_SYSTEM = (
    "You are a function calling AI model. You are provided with function signatures within <tools> </tools> XML tags. "
    "You may call one or more functions.\n<tools>\n{tools}\n</tools>\nFor each function call return a json object with "
    "function name and arguments within <tool_call> </tool_call> tags with the following schema:\n<tool_call>\n"
    '{{"name": <function-name>, "arguments": <args-dict>}}\n</tool_call>\n'
)
EXTRACTION_SYSTEM = (
    "You are an expert structured information extraction AI model. You are provided with the json schema in the "
    "function signatures in XML tags <tools></tools>. Don't make assumptions. {before}\n<tools>\n{tools}\n</tools>\n"
    "For each extraction function call return a json object followed by a <tool_call> tag:\n<tool_call>\n"
    '{{"name": <function-name>, "arguments": <args-dict>}}\n</tool_call>'
)
TOOL = {
    "type": "function",
    "function": {
        "name": "set_light",
        "description": "Sets a light.",
        "parameters": {
            "type": "object",
            "properties": {"room": {"type": "string"}, "on": {"type": "boolean"}, "scene": {"type": "string"}},
            "required": ["room", "on"],
        },
    },
}
EXTRACTOR = {
    "type": "function",
    "function": {
        "name": "QAExtractor",
        "description": "Extracts questions.",
        "parameters": {"type": "object", "properties": {"open_questions": {"type": "array"}}},
    },
}


def hermes_row(answer: str, *, tools: Any = None, system: str | None = None, human: str = "Light on.", **columns: Any):
    """A singleturn row of the current revision."""
    tools = [TOOL] if tools is None else tools
    turns = [
        {"from": "system", "value": system if system is not None else CALL_SYSTEM.format(tools=json.dumps(tools))},
        {"from": "human", "value": human},
        {"from": "gpt", "value": answer},
    ]
    return {"id": "r", "conversations": turns, "tools": json.dumps(tools), **columns}


def call_text(call: Any) -> str:
    return f"<tool_call>\n{json.dumps(call)}\n</tool_call>\n"


def nested(levels: int) -> dict[str, Any]:
    """An object inside an object inside an object ..."""
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


LIGHT_CALL = {"name": "set_light", "arguments": {"room": "hall", "on": True}}


def extraction_row(passage: str = "Cats sleep a lot.", *, tools_column: str | None = None, system: str | None = None):
    """An extraction row as broken as the real ones: literal newlines, Python quotes, name inside, wrong argument."""
    call = """{"arguments": {"queries": ['Why do cats sleep?', "What's a cat?"], "name": "QAExtractor"}}"""
    answer = rf"<tool_call>\n{call}\n</tool_call>"
    listed = json.dumps([EXTRACTOR])
    return {
        "id": "e",
        "conversations": [
            {"from": "system", "value": system or EXTRACTION_SYSTEM.format(before="", tools=listed)},
            {
                "from": "human",
                "value": f"Can you help me extract queries from the passage <passage> {passage} </passage>",
            },
            {"from": "gpt", "value": answer},
        ],
        "tools": tools_column if tools_column is not None else listed,
        "category": "Information Extraction",
    }


def parsed(row: Any, **place: Any) -> Conversation:
    result = parse_row(row, source="test", **place)
    assert isinstance(result, Conversation), result
    return result


def refused(row: Any) -> Quarantined:
    result = parse_row(row, source="test")
    assert isinstance(result, Quarantined), result
    return result


def unlike(count: int) -> list[str]:
    """Requests of which no two are alike, so that none is compared with another word by word."""
    draw = random.Random(count)
    return [" ".join("".join(draw.choices(ascii_lowercase, k=6)) for _ in range(5)) for _ in range(count)]


def request(
    text: str, *, row: int = 0, config: str = "a", origin: Any = "real", repairs: tuple[str, ...] = ()
) -> Conversation:
    """A conversation of one request with one call."""
    tools = (ToolSpec.model_validate(TOOL["function"]),)
    turns = (
        Turn(role="user", text=text),
        Turn(role="assistant", calls=(ToolCall(name="set_light", arguments={"room": text, "on": True}),)),
    )
    return Conversation(
        id=conversation_id("", tools, turns),
        tools=tools,
        turns=turns,
        provenance=Provenance(source="test", config=config, row=row, origin=origin),
        repairs=repairs,
    )


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_names = st.from_regex(r"[a-z_][a-z0-9_.]{0,12}", fullmatch=True)
_prose = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="<>"), min_size=1).filter(
    lambda text: text == text.strip()
)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Any conversation that a row can say: requests, calls with any JSON arguments, responses with any JSON content."""
    names = draw(st.lists(_names, min_size=1, max_size=3, unique=True))
    tools = tuple(
        ToolSpec(
            name=name,
            description=draw(st.text(max_size=20)),
            parameters=draw(st.dictionaries(st.text(max_size=5), json_values, max_size=2)),
        )
        for name in names
    )
    turns: list[Turn] = []
    for _ in range(draw(st.integers(1, 2))):
        turns.append(Turn(role="user", text=draw(st.text())))
        calls = tuple(
            ToolCall(
                name=draw(st.sampled_from(names)),
                arguments=draw(st.dictionaries(st.text(max_size=8), json_values, max_size=3)),
            )
            for _ in range(draw(st.integers(0, 3)))
        )
        turns.append(Turn(role="assistant", calls=calls, text="" if calls else draw(_prose)))
        if calls and draw(st.booleans()):
            responses = tuple(ToolResponse(name=call.name, content=draw(json_values)) for call in calls)
            turns += [Turn(role="tool", responses=responses), Turn(role="assistant", text=draw(_prose))]
    return Conversation(
        id=conversation_id("", tools, tuple(turns)),
        tools=tools,
        turns=tuple(turns),
        provenance=Provenance(source="test", row_id="x", origin="real"),
    )
