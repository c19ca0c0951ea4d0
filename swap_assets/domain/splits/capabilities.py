"""What a conversation tests: the rules behind every label, each of them total.

A conversation is put to a candidate at every assistant turn, with the true history before it. Labels of a case:

- `turn`: "call" (the gold calls), "ask_back" (no call, and the last sentence-end is a question), "answer" (other text).
- `single_turn`: the first assistant turn after a single user turn, where the gold calls. "complex": three calls or
  more, or an argument that holds an object; "simple": one call with at most three arguments; "moderate": the rest.
- `multi_turn`: every turn of a conversation that `multi_turn_kind` gives a kind.
- `no_call`: tools are offered, the last turn is the user's, and the gold does not call: "ask_back" or "decline".
- `parallel`: the gold has two calls or more: "same_function" or "several_functions".
- `domain`: one of ten or "other", see `domains`.

Which cases make up which test split is decided in `capability_splits`.
"""

from collections.abc import Iterator
from typing import Any

from swap_assets.domain.model import Conversation, EvalCase, ToolCall, Turn
from swap_assets.domain.reading.row_reading import GOLD_REPAIRS
from swap_assets.domain.scoring.fields import uses_earlier_result
from swap_assets.domain.splits.domains import domain_of

_SIMPLE_ARGUMENTS = 3
_COMPLEX_CALLS = 3


def has_repaired_gold(conversation: Conversation) -> bool:
    """Whether an expected answer had to be repaired; such a conversation never enters a test split."""
    return any(repair in GOLD_REPAIRS for repair in conversation.repairs)


def eval_cases(conversation: Conversation) -> list[EvalCase]:
    """Return one case for every assistant turn, with the true history before it and all its labels."""
    return [
        EvalCase(
            id=f"{conversation.id}:{index}",
            conversation_id=conversation.id,
            turn=index,
            system=conversation.system,
            tools=conversation.tools,
            history=conversation.turns[:index],
            gold_calls=conversation.turns[index].calls,
            gold_text=conversation.turns[index].text,
            ordered=uses_earlier_result(conversation.turns[index].calls),
            labels=labels,
            origin=conversation.provenance.origin,
        )
        for index, labels in _labels(conversation)
    ]


def labels_of(conversation: Conversation) -> dict[str, set[str]]:
    """Return the values that each label has at any turn of a conversation."""
    found: dict[str, set[str]] = {}
    for _, labels in _labels(conversation):
        for name, value in labels.items():
            found.setdefault(name, set()).add(value)
    return found


def _labels(conversation: Conversation) -> Iterator[tuple[int, dict[str, str]]]:
    shared = {"domain": domain_of(conversation)}
    if kind := multi_turn_kind(conversation):
        shared["multi_turn"] = kind
    return ((index, shared | turn_labels(conversation, index)) for index in conversation.assistant_turns())


def turn_labels(conversation: Conversation, index: int) -> dict[str, str]:
    """Return the labels that one assistant turn has of its own."""
    turn, before = conversation.turns[index], conversation.turns[:index]
    labels = {"turn": turn_kind(turn)}
    if turn.calls and len(before) == 1:
        labels["single_turn"] = difficulty(turn.calls)
    if len(turn.calls) > 1:
        labels["parallel"] = "same_function" if len({call.name for call in turn.calls}) == 1 else "several_functions"
    if conversation.tools and not turn.calls and before and before[-1].role == "user":
        labels["no_call"] = "ask_back" if labels["turn"] == "ask_back" else "decline"
    return labels


def turn_kind(turn: Turn) -> str:
    """Return "call", "ask_back" or "answer" for an assistant turn."""
    if turn.calls:
        return "call"
    return "ask_back" if turn.text.rstrip().endswith("?") else "answer"


def difficulty(calls: tuple[ToolCall, ...]) -> str:
    """Return "simple", "moderate" or "complex" for the calls of a first answer."""
    if len(calls) >= _COMPLEX_CALLS or any(_nested(value) for call in calls for value in call.arguments.values()):
        return "complex"
    return "simple" if len(calls) == 1 and len(calls[0].arguments) <= _SIMPLE_ARGUMENTS else "moderate"


def _nested(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(inner, dict | list) for inner in value)
    return isinstance(value, dict)


def multi_turn_kind(conversation: Conversation) -> str | None:
    """Return what makes a conversation multi-turn, None where nothing does.

    "clarification": tools are offered, an assistant turn asks back without calling, and a later one calls;
    "sequential": a call follows directly on a tool's response, so it is made with what that returned;
    "context_dependent": a call answers a second or later user turn, or words answer with what a tool returned (as in
    every `func_calling` row). The first rule that fits decides.
    """
    turns = conversation.turns
    calling = [index for index, turn in enumerate(turns) if turn.role == "assistant" and turn.calls]
    asking = [index for index, turn in enumerate(turns) if turn.role == "assistant" and turn_kind(turn) == "ask_back"]
    if asking and calling and conversation.tools and asking[0] < calling[0]:
        return "clarification"
    if any(turns[index - 1].role == "tool" for index in calling):
        return "sequential"
    answering = [index for index, turn in enumerate(turns) if turn.role == "assistant" and not turn.calls]
    if any(_second_request(turns[:index]) for index in calling) or any(
        turns[index - 1].role == "tool" for index in answering
    ):
        return "context_dependent"
    return None


def _second_request(before: tuple[Turn, ...]) -> bool:
    return before[-1].role == "user" and any(turn.role == "assistant" for turn in before)
