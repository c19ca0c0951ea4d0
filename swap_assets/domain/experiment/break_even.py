"""When a served small model pays: plain formulas with every figure an argument.

One card answers `per_second` requests at full load and costs `gpu_hour` whether it answers or not. At a `utilisation`
(the share of its time in which it answers) a request costs `gpu_hour / (3600 * per_second * utilisation)`. A share
`fallback` of the requests is asked of the LLM all the same, at `hosted` each, after the small model has tried. Where
the figures come from, and which of them are not known, is said in `report.costs`.
"""

HOURS_A_MONTH = 730.0  # 365 days of 24 hours, by twelve


def served_request(*, gpu_hour: float, per_second: float, utilisation: float) -> float:
    """Return what one request costs on a card of one's own, in the currency of `gpu_hour`.

    Raises:
        ValueError: the card answers nothing, at this throughput or utilisation.
    """
    if per_second <= 0 or utilisation <= 0:
        raise ValueError("throughput and utilisation must be above 0")
    return gpu_hour / (3600 * per_second * utilisation)


def swapped_request(*, served: float, hosted: float, fallback: float) -> float:
    """Return what one request costs after the swap: the small model's try, and the LLM where it is asked after all."""
    return served + fallback * hosted


def break_even_utilisation(*, gpu_hour: float, per_second: float, hosted: float, fallback: float) -> float | None:
    """Return the utilisation from which a request is cheaper after the swap; above 1 one card never gets there.

    `served_request` equals what a request no longer costs at the LLM, `hosted * (1 - fallback)`; solved for
    utilisation. None where the swap takes no request away from the LLM, or its requests cost nothing.
    """
    saved = hosted * (1 - fallback)
    if saved <= 0 or per_second <= 0:
        return None
    return gpu_hour / (3600 * per_second * saved)


def break_even_volume(*, gpu_hour: float, hosted: float, fallback: float) -> float | None:
    """Return how many requests a month make one card that is always on cost what they save at the LLM.

    Throughput does not enter: it says whether one card can answer so many. None as in `break_even_utilisation`.
    """
    saved = hosted * (1 - fallback)
    return gpu_hour * HOURS_A_MONTH / saved if saved > 0 else None


def requests_to_repay(bill: float, *, hosted: float, swapped: float) -> float | None:
    """Return after how many requests the saving has paid `bill`; None where a request saves nothing."""
    return bill / (hosted - swapped) if hosted > swapped else None
