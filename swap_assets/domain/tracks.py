"""What adapters are trained on: the same conversations, once per answer format.

`toolcall_track` takes whole conversations; every assistant turn is trained on, calls and text alike.
`structured_track` answers with a JSON list and nothing else, so it takes each conversation up to its last assistant
turn that calls, or up to the first one that rightly does not call a tool on offer (answered by `[]`); summaries and
small talk after that have no structured form and are left out, as are conversations without any such turn.
"""

from collections.abc import Iterable

from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL
from swap_assets.domain.model import Conversation, Frozen, ToolSpec, Turn, canonical_json, content_hash

# Of Hermes' extraction rows, the longest there are: p50 13,800 characters, about 4,096 tokens. JSON has short tokens.
_CHARACTERS_PER_TOKEN = 3.3
_PROMPT_CHARACTERS = 500  # of a system message without its tools


def estimated_tokens(conversation: Conversation) -> int:
    """Return about how many tokens a conversation has with its tools, up to the end of its last answer."""
    last = max(conversation.assistant_turns(), default=-1)
    characters = (
        _PROMPT_CHARACTERS
        + len(canonical_json(conversation.tools))
        + sum(
            len(turn.text) + len(canonical_json([turn.calls, turn.responses])) * bool(turn.calls or turn.responses)
            for turn in conversation.turns[: last + 1]
        )
    )
    return round(characters / _CHARACTERS_PER_TOKEN)


class TrainingExample(Frozen):
    """One conversation to train on; the loss is on every assistant turn, written in `answer_format`."""

    id: str
    conversation_id: str
    tools: tuple[ToolSpec, ...]
    turns: tuple[Turn, ...]
    answer_format: AnswerFormat


class TrackData(Frozen):
    """What adapters of one track learn from at one scale, and what their loss is checked on."""

    train: tuple[TrainingExample, ...]
    validation: tuple[TrainingExample, ...]

    def content(self) -> str:
        """Hash the examples, in order."""
        return content_hash(self.train, self.validation)


def toolcall_track(
    conversations: Iterable[Conversation], answer_format: AnswerFormat = FLEDGLING_TOOLCALL
) -> list[TrainingExample]:
    """Return whole conversations, ending with the assistant's last turn."""
    spoken = ((each, each.assistant_turns()) for each in conversations)
    return [_example(each, speaking[-1], answer_format) for each, speaking in spoken if speaking]


def structured_track(conversations: Iterable[Conversation]) -> list[TrainingExample]:
    """Return conversations cut after the last assistant turn that a JSON list can answer."""
    ends = ((each, _last_structured_turn(each)) for each in conversations)
    return [_example(each, end, FLEDGLING_STRUCTURED) for each, end in ends if end is not None]


def _last_structured_turn(conversation: Conversation) -> int | None:
    speaking = conversation.assistant_turns()
    if calling := [index for index in speaking if conversation.turns[index].calls]:
        return calling[-1]
    return speaking[0] if conversation.tools and speaking else None


def _example(conversation: Conversation, end: int, answer_format: AnswerFormat) -> TrainingExample:
    return TrainingExample(
        id=f"{conversation.id}:{answer_format}", conversation_id=conversation.id, tools=conversation.tools,
        turns=conversation.turns[: end + 1], answer_format=answer_format,
    )  # fmt: skip
