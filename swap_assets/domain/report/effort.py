"""How long answers take, and what replacing the LLM would cost or save; every figure with where it comes from."""

from typing import Literal

from swap_assets.domain.experiment.break_even import (
    break_even_utilisation,
    break_even_volume,
    requests_to_repay,
    served_request,
    swapped_request,
)
from swap_assets.domain.experiment.costs import cost_per_thousand
from swap_assets.domain.formats.base import Track
from swap_assets.domain.model import Frozen
from swap_assets.domain.report.inputs import GenerationRun, ReportInputs
from swap_assets.domain.report.names import display_name
from swap_assets.domain.scoring.evaluation import Evaluation

UTILISATIONS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
ASSUMED_UTILISATION = 0.25
# An answer that a validator can refuse without knowing the right one goes to the LLM after all.
_REFUSED_BY_A_VALIDATOR = frozenset({"empty", "truncated", "unreadable", "unknown_function", "not_obtained"})
Source = Literal["measured", "experiment file", "assumed", "not given"]


class Latency(Frozen):
    """How long one answer took, in seconds; `kind` "batch_share" is a batch's time shared among its rows.

    `per_second` is the throughput of the whole run on `device`, where it is known.
    """

    candidate_id: str
    name: str
    track: Track
    kind: str
    answers: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    first_token_p50_s: float | None = None
    prompt_tokens: float | None
    completion_tokens: float | None
    cost_per_thousand: float | None
    per_second: float | None = None
    device: str = ""


class CostInput(Frozen):
    """One figure that the cost rests on; `value` is None where it is not known, and `note` then says what to do."""

    key: str
    title: str
    value: float | None
    unit: str
    source: Source
    note: str = ""


class CostAtUtilisation(Frozen):
    """1,000 requests after the swap on a card that is busy for such a share of its time."""

    utilisation: float
    served_per_thousand: float
    swapped_per_thousand: float
    requests_to_repay: float | None


class Sensitivity(Frozen):
    """What becomes of the result when one figure is halved or doubled and all others stay."""

    changed: str
    factor: float
    swapped_per_thousand: float
    break_even_utilisation: float | None
    break_even_volume: float | None


class SwapCost(Frozen):
    """The cost of replacing the LLM by one candidate; amounts in `currency`.

    `not_computed` says why the results are missing where an input is. `one_card_a_month` is how many requests a card
    can answer in a month of full load.
    """

    candidate_id: str
    name: str
    currency: str
    inputs: tuple[CostInput, ...]
    not_computed: str = ""
    caveats: tuple[str, ...] = ()
    break_even_utilisation: float | None = None
    break_even_volume: float | None = None
    one_card_a_month: float | None = None
    at_utilisation: tuple[CostAtUtilisation, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()

    def value(self, key: str) -> float | None:
        """Return an input by its key."""
        return next((item.value for item in self.inputs if item.key == key), None)


def latencies(inputs: ReportInputs) -> tuple[Latency, ...]:
    """Return what the answers of every candidate and track took."""
    return tuple(_latency(inputs, item, track) for track in Track for item in inputs.evaluated if track in item.results)


def swap_cost(inputs: ReportInputs, candidate_id: str) -> SwapCost | None:
    """Return the cost of replacing the LLM by a candidate's tool calls; None where that was not measured."""
    item = next((item for item in inputs.contenders if item.candidate.id == candidate_id), None)
    if item is None or item.track(Track.TOOLCALL) is None:
        return None
    run = _run(inputs, candidate_id, Track.TOOLCALL)
    known = _inputs(inputs, item, run)
    empty = SwapCost(
        candidate_id=candidate_id, name=display_name(candidate_id), currency=inputs.prices.currency, inputs=known
    )
    missing = [entry.title for entry in known if entry.value is None and entry.key not in ("bill", "utilisation")]
    if missing:
        return empty.model_copy(
            update={"not_computed": f"Not computed, because these are not known: {', '.join(missing)}."}
        )
    figures = {entry.key: entry.value or 0.0 for entry in known}
    return empty.model_copy(update={**_results(figures), "caveats": _caveats(run)})


def _latency(inputs: ReportInputs, item: Evaluation, track: Track) -> Latency:
    totals = item.results[track].totals
    run = _run(inputs, item.candidate.id, track)
    answers = totals.answers
    return Latency(
        candidate_id=item.candidate.id,
        name=display_name(item.candidate.id),
        track=track,
        kind=totals.latency_kind,
        answers=answers,
        p50_s=totals.latency_p50_s,
        p95_s=totals.latency_p95_s,
        p99_s=totals.latency_p99_s,
        first_token_p50_s=totals.first_token_p50_s,
        prompt_tokens=totals.prompt_tokens / answers if answers else None,
        completion_tokens=totals.completion_tokens / answers if answers else None,
        cost_per_thousand=cost_per_thousand(totals),
        per_second=run.per_second if run else None,
        device=run.device if run else "",
    )


def _run(inputs: ReportInputs, candidate_id: str, track: Track) -> GenerationRun | None:
    found = (run for run in inputs.generations if run.candidate_id == candidate_id and run.track is track)
    return next((run for run in found if run.per_second > 0), None)


def _inputs(inputs: ReportInputs, item: Evaluation, run: GenerationRun | None) -> tuple[CostInput, ...]:
    hosted = inputs.llm.track(Track.TOOLCALL) if inputs.llm else None
    per_thousand = cost_per_thousand(hosted.totals) if hosted else None
    gpu = inputs.prices.gpu_hour
    money = inputs.prices.currency
    return (
        CostInput(
            key="hosted", title="the LLM's price of one request", unit=money,
            value=None if per_thousand is None else per_thousand / 1000,
            source="not given" if per_thousand is None else "measured",
            note="the test rows' tokens at the experiment file's token price" if per_thousand is not None
            else "give hosted_model.price in the experiment file and measure the LLM",
        ),
        CostInput(
            key="gpu_hour", title="one hour of a GPU", unit=money, value=gpu,
            source="not given" if gpu is None else "experiment file",
            note="give prices.gpu_hour in the experiment file" if gpu is None else "prices.gpu_hour",
        ),
        CostInput(
            key="per_second", title="throughput of one card", unit="requests a second",
            value=run.per_second if run else None, source="measured" if run else "not given",
            note=f"answering the test rows in batches on {run.device}" if run else "no record of it was kept",
        ),
        _fallback(item),
        CostInput(
            key="utilisation", title="utilisation of the card", unit="share of its time", value=ASSUMED_UTILISATION,
            source="assumed", note="used in the sensitivity table alone; the others show a range",
        ),
        _bill(inputs, item),
    )  # fmt: skip


def _fallback(item: Evaluation) -> CostInput:
    rows = item.results[Track.TOOLCALL].rows
    # An answer may break its tool's schema without belonging to a class above; that too shows without gold.
    refused = sum(row.failure in _REFUSED_BY_A_VALIDATOR or row.schema_valid == 0.0 for row in rows)
    return CostInput(
        key="fallback", title="share falling back to the LLM", unit="share of requests",
        value=refused / len(rows) if rows else None, source="measured" if rows else "not given",
        note="answers a validator can refuse without knowing the right one: empty, cut, unreadable, of an unknown "
        "function or against the tool's schema; a wrong answer in good form is not noticed",
    )  # fmt: skip


def _bill(inputs: ReportInputs, item: Evaluation) -> CostInput:
    own = item.candidate.id
    hours = sum(run.seconds for run in inputs.trainings if run.candidate_id == own) / 3600
    hours += sum(run.seconds for run in inputs.generations if run.candidate_id == own) / 3600
    price = inputs.prices.gpu_hour
    asked = sum(result.totals.cost or 0.0 for result in inputs.llm.results.values()) if inputs.llm else 0.0
    known = price is not None and hours > 0
    return CostInput(
        key="bill", title="training and evaluation of this candidate", unit=inputs.prices.currency,
        value=hours * (price or 0.0) + asked if known else None, source="measured" if known else "not given",
        note=f"{hours:.3f} hours of training and answering at the GPU's price, {asked:.4f} for the LLM's answers"
        if known else "needs the GPU's price and a record of the training",
    )  # fmt: skip


def _results(figures: dict[str, float]) -> dict:
    gpu, speed, hosted, fallback = (figures[key] for key in ("gpu_hour", "per_second", "hosted", "fallback"))
    return {
        "break_even_utilisation": break_even_utilisation(
            gpu_hour=gpu, per_second=speed, hosted=hosted, fallback=fallback
        ),
        "break_even_volume": break_even_volume(gpu_hour=gpu, hosted=hosted, fallback=fallback),
        "one_card_a_month": speed * 3600 * 730,
        "at_utilisation": tuple(_at(figures, utilisation) for utilisation in UTILISATIONS),
        "sensitivity": tuple(
            _changed(figures, key, title, factor) for key, title in _VARIED.items() for factor in (0.5, 2.0)
        ),
    }


_VARIED = {
    "gpu_hour": "price of a GPU hour",
    "per_second": "throughput",
    "utilisation": "utilisation",
    "hosted": "the LLM's price",
    "fallback": "share falling back",
}


def _at(figures: dict[str, float], utilisation: float) -> CostAtUtilisation:
    served = served_request(gpu_hour=figures["gpu_hour"], per_second=figures["per_second"], utilisation=utilisation)
    swapped = swapped_request(served=served, hosted=figures["hosted"], fallback=figures["fallback"])
    return CostAtUtilisation(
        utilisation=utilisation,
        served_per_thousand=1000 * served,
        swapped_per_thousand=1000 * swapped,
        requests_to_repay=requests_to_repay(figures["bill"], hosted=figures["hosted"], swapped=swapped),
    )


def _changed(figures: dict[str, float], key: str, title: str, factor: float) -> Sensitivity:
    value = figures[key] * factor
    varied = {**figures, key: min(1.0, value) if key in ("utilisation", "fallback") else value}
    swap = {name: varied[name] for name in ("gpu_hour", "hosted", "fallback")}
    return Sensitivity(
        changed=title,
        factor=factor,
        swapped_per_thousand=_at(varied, varied["utilisation"]).swapped_per_thousand,
        break_even_utilisation=break_even_utilisation(**swap, per_second=varied["per_second"]),
        break_even_volume=break_even_volume(**swap),
    )


def _caveats(run: GenerationRun | None) -> tuple[str, ...]:
    found = ["The throughput is that of answering the test rows in large batches; a server under live load gives less."]
    if run and not run.device.startswith("cuda"):
        found.insert(0, f"The throughput was measured on {run.device} and is priced here as a GPU's: this shows how "
                     "the figures hang together, not what a swap would cost.")  # fmt: skip
    return tuple(found)
