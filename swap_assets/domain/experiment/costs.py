"""What answers cost: the hosted model by its token prices, and what a run is estimated to take before it starts."""

from swap_assets.domain.experiment.entries import TokenPrice
from swap_assets.domain.model import Frozen
from swap_assets.domain.scoring.evaluation import Totals

# About four characters of English or JSON make one token of the large models' tokenizers (OpenAI's rule of thumb).
CHARACTERS_PER_TOKEN = 4.0


class AnswerEstimate(Frozen):
    """What asking a hosted model is expected to take; `cost` is None where the experiment names no price."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None


def estimate_answers(
    *, calls: int, prompt_characters: float, answer_characters: float, price: TokenPrice | None
) -> AnswerEstimate:
    """Estimate tokens and cost of `calls` requests from mean characters of a prompt and of an answer."""
    prompt = round(calls * prompt_characters / CHARACTERS_PER_TOKEN)
    completion = round(calls * answer_characters / CHARACTERS_PER_TOKEN)
    cost = price.of(prompt, completion) if price else None
    return AnswerEstimate(calls=calls, prompt_tokens=prompt, completion_tokens=completion, cost=cost)


def training_hours(*, rows: int, epochs: int, tokens_per_row: float, tokens_per_second: float) -> float:
    """Return the GPU hours of one training at an assumed throughput (tokens per second)."""
    return rows * epochs * tokens_per_row / tokens_per_second / 3600


def cost_per_thousand(totals: Totals) -> float | None:
    """Return what 1,000 answers cost in the experiment's currency, None where there is no price."""
    if totals.cost is None or not totals.answers:
        return None
    return 1000 * totals.cost / totals.answers
