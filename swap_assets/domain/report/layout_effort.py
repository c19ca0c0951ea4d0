"""Sections on time and money, and on what the report rests on: leakage, changes, origins, limits."""

from swap_assets.domain.report.document import Section, TableView
from swap_assets.domain.report.effort import ASSUMED_UTILISATION, CostInput, SwapCost
from swap_assets.domain.report.figures import ABSENT, plain, share, significant
from swap_assets.domain.report.names import TRACK_TITLES, display_name
from swap_assets.domain.report.report import Report


def effort_sections(report: Report) -> tuple[Section, ...]:
    """Return latency and cost."""
    return latency(report), cost(report)


def origin_sections(report: Report) -> tuple[Section, ...]:
    """Return leakage, changes, provenance and limits."""
    return leakage(report), changes(report), provenance(report), limits(report)


def latency(report: Report) -> Section:
    """Return how long answers took, throughput and tokens."""
    table = TableView(
        name="latency",
        caption="Time and tokens of one answer; seconds",
        header=("candidate", "form", "p50", "p95", "p99", "first token p50", "measured as", "answers a second",
                "tokens in", "tokens out"),
        rows=tuple(
            (
                row.name,
                TRACK_TITLES[row.track].lower(),
                plain(row.p50_s),
                plain(row.p95_s),
                plain(row.p99_s),
                plain(row.first_token_p50_s),
                "a share of a batch" if row.kind == "batch_share" else "a request's own time",
                f"{significant(row.per_second)} on {row.device}" if row.per_second is not None else ABSENT,
                plain(row.prompt_tokens, 0),
                plain(row.completion_tokens, 0),
            )
            for row in report.latency
        ),
    )  # fmt: skip
    lead = ()
    if any(row.kind == "batch_share" for row in report.latency):
        lead = (
            "A share of a batch is throughput, not response time: the two kinds cannot be compared with each other.",
        )
    plots = (("latency", "Seconds per answer at the 50th, 95th and 99th percentile; the figures are below."),)
    return Section(id="latency", title="Latency", lead=lead, plots=plots, tables=(table,) if table.rows else ())


def cost(report: Report) -> Section:
    """Return cost per 1,000 answers, break-even, and how far each assumption moves it."""
    found = report.cost
    money = found.currency if found else ""
    answers = TableView(
        name="cost-per-thousand",
        caption=f"1,000 answers of the hosted model, as measured on the test rows, in {money}",
        header=("candidate", "form", "1,000 answers"),
        rows=tuple(
            (row.name, TRACK_TITLES[row.track].lower(), significant(row.cost_per_thousand))
            for row in report.latency
            if row.candidate_id == report.llm_id
        ),
    )
    if found is None:
        lead = ("Not computed: no small model's tool calls have been measured.",)
        return Section(id="cost", title="Cost and break-even", lead=lead, tables=(answers,) if answers.rows else ())
    tables = [answers, _inputs(found)]
    if not found.not_computed:
        tables += [_at_utilisation(found), _sensitivity(found)]
    plots = (("cost", "Cost of 1,000 requests against the card's utilisation; the figures are below."),)
    return Section(
        id="cost",
        title="Cost and break-even",
        lead=(*_worth(report), *cost_words(found)),
        plots=() if found.not_computed else plots,
        tables=tuple(table for table in tables if table.rows),
    )


def _worth(report: Report) -> tuple[str, ...]:
    if report.verdict.kind in ("yes", "promising"):
        return ()
    return ("These figures count once a small model is good enough, which the verdict does not say of any.",)


def cost_words(found: SwapCost) -> list[str]:
    """Say the break-even in words, or why there is none."""
    if found.not_computed:
        return [found.not_computed]
    told = list(found.caveats)
    needed, volume = found.break_even_utilisation, found.break_even_volume
    if needed is None or volume is None:
        return [*told, f"{found.name} would save nothing: all of its answers fall back to the LLM, or the LLM is free."]
    opening = f"One card that is always on costs what {volume:,.0f} requests a month save at the LLM"
    if needed > 1:
        return [
            *told,
            f"{opening}; it can answer only {found.one_card_a_month:,.0f}, so one card never pays for itself.",
        ]
    return [
        *told,
        f"{opening}. That is {100 * needed:.1f} % of the {found.one_card_a_month:,.0f} that it can answer: below this "
        "volume the LLM is cheaper, above it the small model.",
    ]


def _inputs(found: SwapCost) -> TableView:
    return TableView(
        name="cost-inputs",
        caption=f"What the cost of {found.name} rests on",
        header=("figure", "value", "source", "how it came about"),
        rows=tuple((entry.title, _amount(entry), entry.source, entry.note) for entry in found.inputs),
    )


def _amount(entry: CostInput) -> str:
    if entry.value is None:
        return "not given" if entry.source == "not given" else ABSENT
    if entry.unit.startswith("share"):
        return share(entry.value)
    return f"{significant(entry.value)} {entry.unit}"


def _at_utilisation(found: SwapCost) -> TableView:
    hosted = 1000 * (found.value("hosted") or 0.0)
    return TableView(
        name="cost-utilisation",
        caption=f"1,000 requests after the swap, by utilisation of the card, in {found.currency}",
        header=("utilisation", "the card alone", "with those that fall back", "the LLM for all", "saved",
                "requests until training and evaluation are paid"),
        rows=tuple(
            (
                share(row.utilisation),
                significant(row.served_per_thousand),
                significant(row.swapped_per_thousand),
                significant(hosted),
                significant(hosted - row.swapped_per_thousand),
                plain(row.requests_to_repay, 0) if row.requests_to_repay is not None else "never",
            )
            for row in found.at_utilisation
        ),
        note="Formulas: domain/experiment/break_even.py; a month has 730 hours.",
    )  # fmt: skip


def _sensitivity(found: SwapCost) -> TableView:
    return TableView(
        name="sensitivity",
        caption=f"If one figure were half or twice as large; at {100 * ASSUMED_UTILISATION:.0f} % utilisation unless "
        "varied",
        header=(
            "figure",
            "times",
            f"1,000 requests, {found.currency}",
            "break-even utilisation",
            "break-even requests a month",
        ),
        rows=tuple(
            (
                row.changed,
                f"{row.factor:g}",
                significant(row.swapped_per_thousand),
                "never" if row.break_even_utilisation is None else _reach(row.break_even_utilisation),
                "never" if row.break_even_volume is None else plain(row.break_even_volume, 0),
            )
            for row in found.sensitivity
        ),
    )


def _reach(utilisation: float) -> str:
    return share(utilisation) + (" (more than one card)" if utilisation > 1 else "")


def leakage(report: Report) -> Section:
    """Return the evidence that test rows were not trained on."""
    found = report.leakage
    if found is None:
        return Section(id="leakage", title="Leakage", lead=("Not measured: the scale's split was not found.",))
    opening = "No held-out request stands among the training rows" if found.clean else "Held-out requests leaked"
    lead = (
        f"{opening}: of {found.compared:,} pairs compared, {found.same_request} share their request and the closest "
        f"has a similarity of {found.closest_similarity:.2f}, where {found.threshold:g} and above counts as the same.",
    )
    sizes = TableView(
        name="split",
        caption="Conversations of the split",
        header=("part", "conversations"),
        rows=(
            ("training", str(found.training)),
            ("validation", str(found.validation)),
            ("test", str(found.test)),
            ("sealed release test", str(found.release)),
            ("held out beyond these", str(found.reserve)),
            ("set aside as too close to a held-out row", str(found.set_aside)),
        ),
    )
    closest = TableView(
        name="closest",
        caption="The closest pair across the two sides (Jaccard index of word triples)",
        header=("side", "request"),
        rows=(("training", found.closest_training_text), ("held out", found.closest_held_out_text)),
    )
    return Section(id="leakage", title="Leakage", lead=lead, tables=(sizes, closest) if found.compared else (sizes,))


def changes(report: Report) -> Section:
    """Return what is different from the previous report of this scale, and why."""
    found = report.changes
    title = "What changed since the previous report"
    if not found.previous_at and not found.previous_hash:
        return Section(id="changes", title=title, lead=(found.note,))
    why = TableView(
        name="causes",
        caption="What the figures rest on that is not what it was",
        header=("what", "before", "now"),
        rows=tuple((item.what, item.before, item.now) for item in found.causes),
    )
    moved = TableView(
        name="movements",
        caption="Field F1 that moved, in percent",
        header=("candidate", "form", "before", "now"),
        rows=tuple(
            (item.name, item.track.lower(), _percent(item.before), _percent(item.now)) for item in found.movements
        ),
    )
    lead = [f"Compared with the report of {found.previous_at or 'an unknown time'} (evidence {found.previous_hash})."]
    if found.verdict_before and found.verdict_before != report.verdict.sentence:
        lead.append(f"It said: {found.verdict_before}")
    if not found.causes:
        lead.append("Nothing that was recorded differs: data, models, prompts, LLM and settings are the same.")
    return Section(
        id="changes", title=title, lead=tuple(lead), tables=tuple(table for table in (why, moved) if table.rows)
    )


def _percent(value: float | None) -> str:
    return ABSENT if value is None else f"{100 * value:.1f}"


def provenance(report: Report) -> Section:
    """Return where everything came from, and the commands that make it again."""
    rows = {**report.provenance, **report.facts}
    table = TableView(
        name="provenance",
        caption="Where this comes from",
        header=("what", "value"),
        rows=tuple(rows.items()),
    )
    return Section(
        id="provenance",
        title="Provenance",
        lead=("These commands make it again:",) if report.commands else (),
        tables=(table,) if table.rows else (),
        commands=report.commands,
    )


def limits(report: Report) -> Section:
    """Return what was synthetic, played by a miniature, absent or not measured."""
    table = TableView(
        name="limits",
        caption="What keeps this report from saying more",
        header=("what", "is", "why"),
        rows=tuple((item.what, item.kind, item.why) for item in report.limits),
    )
    return Section(
        id="limits", title="Synthetic, miniature, absent or not measured", tables=(table,) if table.rows else ()
    )


def llm_price(report: Report) -> str:
    """Return what 1,000 tool calls of the LLM cost, with its currency."""
    found = next((row for row in report.rows if row.candidate_id == report.llm_id), None)
    if found is None or found.cost_per_thousand is None:
        return ABSENT
    return f"{significant(found.cost_per_thousand)} {report.cost.currency if report.cost else ''}".strip()


def llm_name(report: Report) -> str:
    """Return the LLM's name for people."""
    return display_name(report.llm_id)
