"""What answers cost, at the hosted LLM and on a card of one's own, and when a served small model pays.

One card answers `per_second` requests at full load and costs `gpu_hour` whether it answers or not. At a `utilisation`
(the share of its time in which it answers) a request costs `gpu_hour / (3600 * per_second * utilisation)`. A share
`fallback` of the requests is asked of the LLM all the same, at `hosted` each, after the small model has tried. Where
the figures come from, and which of them are not known, is said in `report.cost`.
"""

from swap_assets.domain.experiment.entries import TokenPrice
from swap_assets.domain.model import Frozen
from swap_assets.domain.scoring.evaluation import Totals

# About four characters of English or JSON make one token of the large models' tokenizers (OpenAI's rule of thumb).
CHARACTERS_PER_TOKEN = 4.0
HOURS_A_MONTH = 730.0  # 365 days of 24 hours, by twelve


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


def cost_per_thousand(totals: Totals) -> float | None:
    """Return what 1,000 answers cost in the experiment's currency, None where there is no price."""
    return None if totals.cost is None or not totals.answers else 1000 * totals.cost / totals.answers


def served_request(*, gpu_hour: float, per_second: float, utilisation: float) -> float:
    """Return a request's cost on a card of one's own, in `gpu_hour`'s currency; a ValueError where it answers none."""
    if per_second <= 0 or utilisation <= 0:
        raise ValueError("throughput and utilisation must be above 0")
    return gpu_hour / (3600 * per_second * utilisation)


def swapped_request(*, served: float, hosted: float, fallback: float) -> float:
    """Return what one request costs after the swap: the small model's try, and the LLM where it is asked after all."""
    return served + fallback * hosted


def break_even_utilisation(*, gpu_hour: float, per_second: float, hosted: float, fallback: float) -> float | None:
    """Return the utilisation from which a request is cheaper after the swap; above 1 one card never gets there.

    There `served_request` equals what a request no longer costs at the LLM, `hosted * (1 - fallback)`; None where 0.
    """
    saved = hosted * (1 - fallback)
    return None if saved <= 0 or per_second <= 0 else gpu_hour / (3600 * per_second * saved)


def break_even_volume(*, gpu_hour: float, hosted: float, fallback: float) -> float | None:
    """Return how many requests a month make an always-on card cost what they save; None where they save nothing."""
    saved = hosted * (1 - fallback)
    return gpu_hour * HOURS_A_MONTH / saved if saved > 0 else None


def requests_to_repay(bill: float, *, hosted: float, swapped: float) -> float | None:
    """Return after how many requests the saving has paid `bill`; None where a request saves nothing."""
    return bill / (hosted - swapped) if hosted > swapped else None
