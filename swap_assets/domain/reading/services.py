"""Where services and proxies keep a request and its answer in a row; the messages themselves are read elsewhere.

One entry of `PLACES` is one shape: `request_body` beside `response_body` (Helicone), `input` beside `output`
(Langfuse, Responses API), `proxy_server_request` beside `response` (LiteLLM), `body` beside `response` (batches,
joined by `custom_id`), `inputs` beside `outputs` (LangSmith), attributes of a span (OpenTelemetry).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from swap_assets.domain.reading.openai_logs import SYSTEM_KEYS, TOOL_KEYS, read_chat
from swap_assets.domain.reading.row_reading import QuarantineReason, Reading, RowError, read_value, unreadable_as

ANSWER_KEYS = ("response", "completion", "output", "choices")
_SPAN = {
    "gen_ai.input.messages": "messages",
    "gen_ai.tool.definitions": "tools",
    "gen_ai.system_instructions": "system",
}


class Place(NamedTuple):
    """The key of a request and the keys of which one holds its answer."""

    request: str
    answers: tuple[str, ...]


PLACES = (
    Place("proxy_server_request", ("response",)),
    Place("request_body", ("response_body",)),
    Place("request", ANSWER_KEYS),
    Place("body", ("response",)),
    Place("input", ("output",)),
    Place("inputs", ("outputs",)),
)


def read(row: Mapping[str, Any]) -> tuple[Reading, frozenset[str]] | None:
    """Read a row in which a request and its answer lie apart, and say which keys were read; None for other shapes."""
    if isinstance(attributes := row.get("attributes"), Mapping) and "gen_ai.input.messages" in attributes:
        request = {name: attributes.get(key) for key, name in _SPAN.items()}
        return read_chat(request, attributes.get("gen_ai.output.messages")), frozenset({"attributes"})
    if row.get("messages") and not _opened(row.get("proxy_server_request")):
        answer = {"choices": row["choices"]} if row.get("choices") else _first(row, ANSWER_KEYS)
        return read_chat(row, answer), _used(row, ANSWER_KEYS)
    for place in PLACES:
        request = _opened(row.get(place.request))
        if isinstance(request, Mapping) and (request.get("messages") or request.get("input")):
            answer = _first(row, place.answers)
            if answer is None and "custom_id" in row:
                why = "a batch's input without its answer; give the batch's output file in `path` too"
                raise RowError(QuarantineReason.NO_ASSISTANT_TURN, why)
            return read_chat(request, answer), frozenset({"messages", place.request, *place.answers})
    if "input" in row and "output" in row:
        request = {key: row[key] for key in (*SYSTEM_KEYS, *TOOL_KEYS) if key in row} | {"messages": row["input"]}
        return read_chat(request, row["output"]), _used(row, ("output",)) | {"input"}
    return _without_request(row)


def _used(row: Mapping[str, Any], answers: tuple[str, ...]) -> frozenset[str]:
    """Return the keys that reading a chat row takes: of several that could hold tools or an answer, the first."""
    firsts = (next((key for key in keys if row.get(key)), "") for keys in (TOOL_KEYS, answers))
    return frozenset({"messages", *SYSTEM_KEYS, *firsts})


def _without_request(row: Mapping[str, Any]) -> tuple[Reading, frozenset[str]] | None:
    if "custom_id" in row and "response" in row:
        why = "a batch's output without its request; give the batch's input file in `path` too"
        raise RowError(QuarantineReason.NO_REQUEST, why)
    if row.get("object") == "chat.completion":
        why = "a stored completion without its request; fetch its messages and put them under `messages`"
        raise RowError(QuarantineReason.NO_REQUEST, why)
    if isinstance(row.get("messages"), list):
        return read_chat(row), _used(row, ())
    if "messages" in row:
        raise RowError(QuarantineReason.TURN_UNREADABLE, "messages is empty and no known key holds the request")
    return None


def _first(row: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((row[key] for key in keys if row.get(key)), None)


def _opened(value: Any) -> Any:
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return value
    with unreadable_as(QuarantineReason.TURN_UNREADABLE):
        return read_value(value, [])
