"""The one record that everything that answers writes and everything that scores reads."""

from typing import Literal

from pydantic import Field

from swap_assets.domain.formats.base import AnswerFormat, Interface, ParsedAnswer
from swap_assets.domain.model import Frozen

FinishReason = Literal["stop", "length", "repetition", "second_turn", "tool_calls", "content_filter", "error"]
# An answer that was cut, and what it was doing; the last two are our own stops for models that never end.
CUT = {
    "length": "was cut at the token limit", "repetition": "said the same again and again and was cut",
    "second_turn": "went on with another turn and was cut",
}  # fmt: skip
_FINISHES: dict[str, FinishReason] = {
    **dict.fromkeys(("", "stop", "stop_sequence", "stop_token", "eos", "eos_token", "end_turn", "complete",
                     "completed"), "stop"),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), "tool_calls"),
    **dict.fromkeys(("content_filter", "content_filtered", "safety", "refusal", "recitation", "blocklist",
                     "prohibited_content", "spii", "guardrail_intervened"), "content_filter"),
    **{said: said for said in ("error", "repetition", "second_turn")},
}  # fmt: skip


def finish_reason(said: object) -> FinishReason:
    """Return why an answer ended, out of what any server says; where it says nothing, the answer ended by itself.

    Whatever is not known to be an end (`length`, `max_tokens`, `MAX_TOKENS`, `model_length`) is one that was cut.
    """
    return _FINISHES.get(str(said or "").lower().rpartition(".")[2].removeprefix("finish_reason_"), "length")


class Usage(Frozen):
    """Tokens of one answer; `thinking_tokens` are those of `completion_tokens` that came before it."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    thinking_tokens: int = 0


class Said(Frozen):
    """What was said, by its own word whom, and what it took; times in seconds.

    `finish_reason` "error" means that no answer could be obtained (transport): it is unscored, never wrong.
    `content_filter` is a refusal, and a refusal is a wrong answer. `latency_s` is wall time of the whole answer,
    `first_token_s` that to the first token, None where the answer did not arrive in pieces. `served_model` and
    `fingerprint` are what the server says of itself; `retries` are the attempts that failed before this answer.
    """

    text: str = ""
    finish_reason: FinishReason
    usage: Usage = Field(default_factory=Usage)
    latency_s: float = 0.0
    first_token_s: float | None = None
    served_model: str = ""
    fingerprint: str = ""
    retries: int = 0


class Answer(Said):
    """What was said to one case, and what only the engine knows of it.

    `cost` is in the currency of the experiment file, None where there is no price.
    """

    case_id: str
    cost: float | None = None
    error: str = ""
    seed: int | None = None


class PredictionRecord(Answer):
    """One answer of one candidate to one case.

    `latency_kind` tells a request's own time from a batch's time shared evenly among its rows. `request_hash` covers
    the rendered prompt, the model's artefact and the decoding settings. `engine` names who computed it; `deployment`
    and `api_version` are what a server was asked for.
    """

    conversation_id: str
    candidate_id: str
    answer_format: AnswerFormat
    request_hash: str
    prompt_hash: str
    parsed: ParsedAnswer | None = None
    latency_kind: Literal["request", "batch_share"] = "request"
    engine: str = ""
    epoch: str = "first"
    interface: Interface = Interface.TEXT
    deployment: str = ""
    api_version: str = ""

    @property
    def obtained(self) -> bool:
        """Whether there is an answer to score at all."""
        return self.finish_reason != "error"
