"""What replacing the LLM would cost or save, every figure with where it comes from, and the section that shows it.

The formulas are `experiment.costs`'s.
"""

from typing import Literal

from swap_assets.domain.experiment import costs
from swap_assets.domain.formats.base import Track
from swap_assets.domain.model import Frozen
from swap_assets.domain.report.figures import select
from swap_assets.domain.report.inputs import GenerationRun, ReportInputs
from swap_assets.domain.report.tables import Frame, Section, Table, frame, section
from swap_assets.domain.report.wording import ABSENT, display_name, plain, share, significant
from swap_assets.domain.scoring.evaluation import Evaluation

UTILISATIONS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
ASSUMED_UTILISATION = 0.25
# An answer that a validator can refuse without knowing the right one goes to the LLM after all.
_REFUSED_BY_A_VALIDATOR = frozenset({"empty", "truncated", "unreadable", "unknown_function", "not_obtained"})
_FALLBACK = (
    "answers a validator can refuse without knowing the right one: empty, cut, unreadable, of an unknown function or "
    "against the tool's schema; a wrong answer in good form is not noticed"
)
_VARIED = {"gpu_hour": "price of a GPU hour", "per_second": "throughput", "utilisation": "utilisation",
           "hosted": "the LLM's price", "fallback": "share falling back"}  # fmt: skip
Source = Literal["measured", "experiment file", "assumed", "not given"]


class CostInput(Frozen):
    """One figure that the cost rests on; `value` is None where it is not known, and `note` then says what to do."""

    key: str
    title: str
    value: float | None
    unit: str
    source: Source
    note: str = ""


class SwapAt(Frozen):
    """1,000 requests after the swap at a utilisation; of `sensitivity`, figure `changed` is `factor` times itself."""

    utilisation: float
    served_per_thousand: float
    swapped_per_thousand: float
    requests_to_repay: float | None
    break_even_utilisation: float | None
    break_even_volume: float | None
    changed: str = ""
    factor: float = 1.0


class SwapCost(Frozen):
    """The cost of replacing the LLM by one candidate; amounts in `currency`.

    `not_computed` says why the results are missing where an input is. `one_card_a_month` is how many requests a card
    can answer in a month of full load.
    """

    candidate_id: str
    currency: str
    inputs: tuple[CostInput, ...]
    not_computed: str = ""
    caveats: tuple[str, ...] = ()
    break_even_utilisation: float | None = None
    break_even_volume: float | None = None
    one_card_a_month: float | None = None
    at_utilisation: tuple[SwapAt, ...] = ()
    sensitivity: tuple[SwapAt, ...] = ()

    def value(self, key: str) -> float | None:
        """Return an input by its key."""
        return next((item.value for item in self.inputs if item.key == key), None)


def swap_cost(inputs: ReportInputs, candidate_id: str) -> SwapCost | None:
    """Return the cost of replacing the LLM by a candidate's tool calls; None where that was not measured."""
    item = next((item for item in inputs.contenders if item.candidate.id == candidate_id), None)
    if item is None or item.track(Track.TOOLCALL) is None:
        return None
    run = inputs.run_of(candidate_id, Track.TOOLCALL)
    known = _inputs(inputs, item, run)
    cost = SwapCost(candidate_id=candidate_id, currency=inputs.prices.currency, inputs=known)
    missing = [entry.title for entry in known if entry.value is None and entry.key not in ("bill", "utilisation")]
    if missing:
        told = f"Not computed, because these are not known: {', '.join(missing)}."
        return cost.model_copy(update={"not_computed": told})
    figures = {entry.key: entry.value or 0.0 for entry in known}
    whole = _at(figures, ASSUMED_UTILISATION)
    return cost.model_copy(update={
        "caveats": _caveats(run),
        "break_even_utilisation": whole.break_even_utilisation,
        "break_even_volume": whole.break_even_volume,
        "one_card_a_month": figures["per_second"] * 3600 * 730,
        "at_utilisation": tuple(_at(figures, utilisation) for utilisation in UTILISATIONS),
        "sensitivity": tuple(_changed(figures, key, factor) for key in _VARIED for factor in (0.5, 2.0)),
    })  # fmt: skip


def _inputs(inputs: ReportInputs, item: Evaluation, run: GenerationRun | None) -> tuple[CostInput, ...]:
    llm, prices = inputs.llm.results if inputs.llm else {}, inputs.prices
    price = costs.cost_per_thousand(llm[Track.TOOLCALL].totals) if Track.TOOLCALL in llm else None
    rows = item.results[Track.TOOLCALL].rows
    # An answer may break its tool's schema without belonging to a class above; that too shows without gold.
    refused = sum(row.failure in _REFUSED_BY_A_VALIDATOR or row.schema_valid == 0.0 for row in rows)
    runs = (*inputs.trainings, *inputs.generations)
    hours = sum(one.seconds for one in runs if one.candidate_id == item.candidate.id) / 3600
    asked = sum(result.totals.cost or 0.0 for result in llm.values())
    bill = hours * prices.gpu_hour + asked if prices.gpu_hour is not None and hours > 0 else None
    return (
        _input("hosted", "the LLM's price of one request", prices.currency, None if price is None else price / 1000,
               note="the test rows' tokens at the experiment file's token price",
               missing="give hosted_model.price in the experiment file and measure the LLM"),
        _input("gpu_hour", "one hour of a GPU", prices.currency, prices.gpu_hour, source="experiment file",
               note="prices.gpu_hour", missing="give prices.gpu_hour in the experiment file"),
        _input("per_second", "throughput of one card", "requests a second", run.per_second if run else None,
               note=f"answering the test rows in batches on {run.device if run else ''}",
               missing="no record of it was kept"),
        _input("fallback", "share falling back to the LLM", "share of requests", refused / len(rows) if rows else None,
               note=_FALLBACK, missing=_FALLBACK),
        _input("utilisation", "utilisation of the card", "share of its time", ASSUMED_UTILISATION, source="assumed",
               note="used in the sensitivity table alone; the others show a range"),
        _input("bill", "training and evaluation of this candidate", prices.currency, bill,
               note=f"{hours:.3f} hours of training and answering at the GPU's price, {asked:.4f} for the LLM's "
               "answers",
               missing="needs the GPU's price and a record of the training"),
    )  # fmt: skip


def _input(
    key: str, title: str, unit: str, value: float | None, *, note: str, missing: str = "", source: Source = "measured"
) -> CostInput:
    source, note = (source, note) if value is not None else ("not given", missing)
    return CostInput(key=key, title=title, unit=unit, value=value, source=source, note=note)


def _at(figures: dict[str, float], utilisation: float) -> SwapAt:
    prices = {key: figures[key] for key in ("gpu_hour", "hosted", "fallback")}
    speed, hosted = figures["per_second"], figures["hosted"]
    served = costs.served_request(gpu_hour=figures["gpu_hour"], per_second=speed, utilisation=utilisation)
    swapped = costs.swapped_request(served=served, hosted=hosted, fallback=figures["fallback"])
    return SwapAt(
        utilisation=utilisation, served_per_thousand=1000 * served, swapped_per_thousand=1000 * swapped,
        requests_to_repay=costs.requests_to_repay(figures["bill"], hosted=hosted, swapped=swapped),
        break_even_utilisation=costs.break_even_utilisation(per_second=speed, **prices),
        break_even_volume=costs.break_even_volume(**prices),
    )  # fmt: skip


def _changed(figures: dict[str, float], key: str, factor: float) -> SwapAt:
    """Return what becomes of the result when one figure is halved or doubled and all others stay."""
    value = figures[key] * factor
    varied = {**figures, key: min(1.0, value) if key in ("utilisation", "fallback") else value}
    return _at(varied, varied["utilisation"]).model_copy(update={"changed": _VARIED[key], "factor": factor})


def _caveats(run: GenerationRun | None) -> tuple[str, ...]:
    always = "The throughput is that of answering the test rows in large batches; a server under live load gives less."
    if run is None or run.device.startswith("cuda"):
        return (always,)
    return (f"The throughput was measured on {run.device} and is priced here as a GPU's: this shows how the figures "
            "hang together, not what a swap would cost.", always)  # fmt: skip


def cost(found: SwapCost | None, llm: Frame, verdict: str) -> Section:
    """Return cost per 1,000 answers of the LLM and of its swap (None: not measured), break-even, and what moves it."""
    answers = select(llm, "effort", metrics=["cost_per_thousand"])[["name", "form", "text"]]
    caption = f"1,000 answers of the hosted model, as measured on the test rows, in {found.currency if found else ''}"
    table = Table("cost-per-thousand", caption, answers.set_axis(["candidate", "form", "1,000 answers"], axis=1))
    told, tables = ["Not computed: no small model's tool calls have been measured."], []
    if found is not None:
        told, tables = _words(found), _tables(found)
        worth = "These figures count once a small model is good enough, which the verdict does not say of any."
        told[:0] = [] if verdict in ("yes", "promising") else [worth]
    drawn = found is not None and not found.not_computed
    plots = (("cost", "Cost of 1,000 requests against the card's utilisation; the figures are below."),)
    return section("cost", "Cost and break-even", table, *tables, lead=told, plots=plots if drawn else ())


def _words(found: SwapCost) -> list[str]:
    """Say the break-even in words, or why there is none."""
    if found.not_computed:
        return [found.not_computed]
    told = list(found.caveats)
    needed, volume = found.break_even_utilisation, found.break_even_volume
    if needed is None or volume is None:
        name = display_name(found.candidate_id)
        return [*told, f"{name} would save nothing: all of its answers fall back to the LLM, or the LLM is free."]
    opening = f"One card that is always on costs what {volume:,.0f} requests a month save at the LLM"
    only = f"; it can answer only {found.one_card_a_month:,.0f}, so one card never pays for itself."
    of_all = (f". That is {100 * needed:.1f} % of the {found.one_card_a_month:,.0f} that it can answer: below this "
              "volume the LLM is cheaper, above it the small model.")  # fmt: skip
    return [*told, opening + (only if needed > 1 else of_all)]


def _tables(found: SwapCost) -> list[Table]:
    """Return what the cost rests on; cost by utilisation and how far assumptions move it have rows where computed."""
    given = ((entry.title, _amount(entry), entry.source, entry.note) for entry in found.inputs)
    hosted = 1000 * (found.value("hosted") or 0.0)
    by_use = (
        (share(row.utilisation), *map(significant, (row.served_per_thousand, row.swapped_per_thousand, hosted,
                                                    hosted - row.swapped_per_thousand)),
         _or_never(row.requests_to_repay))
        for row in found.at_utilisation
    )  # fmt: skip
    varied = (
        (row.changed, f"{row.factor:g}", significant(row.swapped_per_thousand), _reach(row.break_even_utilisation),
         _or_never(row.break_even_volume))
        for row in found.sensitivity
    )  # fmt: skip
    asked = f"at {100 * ASSUMED_UTILISATION:.0f} % utilisation unless varied"
    return [
        Table("cost-inputs", f"What the cost of {display_name(found.candidate_id)} rests on",
              frame(("figure", "value", "source", "how it came about"), given)),
        Table("cost-utilisation", f"1,000 requests after the swap, by utilisation of the card, in {found.currency}",
              frame(("utilisation", "the card alone", "with those that fall back", "the LLM for all", "saved",
                     "requests until training and evaluation are paid"), by_use),
              note="Formulas: domain/experiment/costs.py; a month has 730 hours."),
        Table("sensitivity", f"If one figure were half or twice as large; {asked}",
              frame(("figure", "times", f"1,000 requests, {found.currency}", "break-even utilisation",
                     "break-even requests a month"), varied)),
    ]  # fmt: skip


def _amount(entry: CostInput) -> str:
    if entry.value is None:
        return "not given" if entry.source == "not given" else ABSENT
    return share(entry.value) if entry.unit.startswith("share") else f"{significant(entry.value)} {entry.unit}"


def _or_never(value: float | None) -> str:
    return "never" if value is None else plain(value, 0)


def _reach(utilisation: float | None) -> str:
    if utilisation is None:
        return "never"
    return share(utilisation) + (" (more than one card)" if utilisation > 1 else "")
