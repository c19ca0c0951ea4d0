"""Sections that say why, and what it rests on: decisions, rows to look at, failures, training, time, money, origins."""

import re
from collections.abc import Sequence

from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.metrics import METRICS, metric_title
from swap_assets.domain.report.comparison import Report
from swap_assets.domain.report.examples import A_CLASS, A_SIDE, group
from swap_assets.domain.report.figures import failure_counts, pivot, select
from swap_assets.domain.report.inputs import LossPoint
from swap_assets.domain.report.tables import Frame, Group, Section, Table, frame, section
from swap_assets.domain.report.wording import ABSENT, display_name, plain, significant, spaced
from swap_assets.domain.splits.scale_split import SourceRows

CURVE_POINTS = 8  # of a loss curve that stand in its table; the plot and report.json have all


def decisions(report: Report) -> Section:
    """Return the recorded decisions, what people said about them, and what they suggest to try."""
    header = ("decision", "for", "verdict", "action", "reason", "rule", "decided by")
    made = frame(header, (_decision(item, report) for item in report.decisions))
    current = {item.content() for item in report.decisions}
    said = (
        (f"{item.model} at {item.scale}", item.verdict, item.by, item.reason, item.at,
         "yes" if item.evidence_hash in current else "no: the evidence is another one by now")
        for item in report.approvals
    )  # fmt: skip
    tables = (
        Table("decisions", "Decisions, with the rule that made them", made),
        Table("approvals", "What people said; names are self-declared",
              frame(("release of", "word", "by", "reason", "when", "counts"), said)),
    )  # fmt: skip
    # Each suggestion with the entry to paste, whose indents a table's line would lose.
    columns, who = ("who", "text", ""), "entry for the experiment file"
    to_try = [
        Group(f"What could be tried next: {spaced(item.name)} at {item.scale}",
              tuple(Table("", one.text, frame(columns, [(who, one.entry, "")])) for one in item.suggestions))
        for item in report.decisions if item.suggestions
    ]  # fmt: skip
    return section("decisions", "Decisions", *tables, groups=to_try)


def _decision(item: Decision, report: Report) -> tuple[str, ...]:
    said = [item.reason, *([f"Approval: {item.approval}."] if item.approval else [])]
    if item.rows_needed:
        said.append(f"About {item.rows_needed:,} rows in all would settle it, if what was measured is true.")
    if item.missing:
        said.append(f"Missing: {'; '.join(item.missing)}.")
    where = f"{item.model} at {item.scale}" if item.model else item.scale
    told = (_in_names_of_people(text, report) for text in (" ".join(said), item.rule))
    by = f"{item.decided_by}, {item.decided_at}".strip(", ")
    return spaced(item.name), where, item.verdict, spaced(item.action), *told, by


def _in_names_of_people(text: str, report: Report) -> str:
    """Return a recorded sentence with candidates and metrics called as everywhere else in the report."""
    for candidate in sorted((item.candidate_id for item in report.candidates), key=len, reverse=True):
        text = text.replace(candidate, display_name(candidate))
    for metric in METRICS:
        text = re.sub(rf"\b{metric}(_strict)?\b", lambda found: metric_title(found.group()), text)
    return text


def wins(report: Report, figures: Frame) -> Section:
    """Return how the rows are shared out, and rows that only one of candidate and LLM answers right."""
    llm, shown, found = display_name(report.llm_id), report.examples, select(figures, "wins")
    titles = {"both": "both", "only_llm": f"only {llm}", "only_slm": "only the candidate", "neither": "neither"}
    table = pivot(found, {"name": "candidate"}, titles, by="label")
    total = found[found["candidate_id"] == shown.candidate_id].set_index("label")["value"]
    name = display_name(shown.candidate_id) if len(total) else ""
    groups = {"only_llm": (llm, shown.llm_wins), "only_slm": (name, shown.slm_wins)} if name else {}
    lead = f"Examples are rows of {name}, at most {A_SIDE} a side; `swap-assets diff A B --gold GOLD` lists all."
    shown_rows = [group(f"Rows that only {who} answers right", rows, total[key])
                  for key, (who, rows) in groups.items() if rows]  # fmt: skip
    wins = Table("wins", "Tool-call rows by who answers them exactly right", table)
    return section("wins", "Rows that one side wins", wins, lead=(lead,) if name else (), groups=shown_rows)


def failures(report: Report, figures: Frame) -> Section:
    """Return the failures by class with examples of each."""
    counts, shown = failure_counts(figures), report.examples
    heads = select(figures)[["candidate_id", "track", "name", "form", "cases"]].drop_duplicates()
    table = heads[["name", "form", "cases"]].set_axis(["candidate", "form", "rows"], axis=1)
    table = table.assign(wrong=counts.sum(axis=1).to_list(),
                         **{spaced(name): counts[name].to_list() for name in counts.columns})  # fmt: skip
    own = counts.loc[(shown.candidate_id, Track.TOOLCALL)] if shown.failures else {}
    groups = [group(spaced(name).capitalize(), rows, own.get(name, len(rows))) for name, rows in shown.failures.items()]
    lead = [f"The examples are tool-call rows of {display_name(shown.candidate_id)}, up to {A_CLASS} of each class."
            for _ in groups[:1]]  # fmt: skip
    failures = Table("failures", "Wrong answers by class; each wrong row has exactly one", table)
    plots = (("failures", "Wrong tool calls by class for every candidate; the counts are in the table below."),)
    return section("failures", "Why answers are wrong", failures, lead=lead, plots=plots, groups=groups)


def learning(report: Report, figures: Frame) -> Section:
    """Return the loss curves and the score by scale."""
    found = select(figures, "scales")
    several = found["label"].nunique() > 1
    plots = [("learning", "Training and validation losses; the figures are below.")] if report.trainings else []
    plots += [("scales", "Field F1 by number of training rows; the figures are below.")] if several else []
    lead = () if several else ("One scale has been measured, so nothing can be said about what more data would bring.",)
    found = found.assign(rows=found["label"].map(lambda scale: report.train_rows.get(scale, ABSENT)))
    scales = pivot(found.head(len(found) * several), {"name": "candidate", "label": "scale", "rows": "training rows"},
                   {name: metric_title(name) for name in ("field_f1", "exact_match")})  # fmt: skip
    by_scale = Table("scales", "Tool calls by scale, in percent with 95 % intervals", scales)
    return section("learning", "Learning curves", *_trainings(report), by_scale, lead=lead, plots=plots)


def _trainings(report: Report) -> tuple[Table, Table]:
    """Return how each training went, and its losses along the way."""
    rows, losses = [], []
    for run in report.trainings:
        name = f"{display_name(run.candidate_id)}, {run.adapter}"
        rows.append((name, run.rows, run.steps, _first_to_last(run.loss), _first_to_last(run.validation),
                     plain(run.seconds / 60, 1), plain(run.tokens_per_second, 0), run.device))  # fmt: skip
        places = (round(at * (len(run.loss) - 1) / (CURVE_POINTS - 1)) for at in range(CURVE_POINTS))
        losses.append((name, *(significant(run.loss[at].loss) if run.loss else ABSENT for at in places)))
    header = ("adapter", "rows", "steps", "training loss", "validation loss", "minutes", "tokens a second", "device")
    shares = ("adapter", *(f"{100 * index // (CURVE_POINTS - 1)} %" for index in range(CURVE_POINTS)))
    note = "Columns are shares of the training's steps; report.json holds every point of the plot."
    caption = "Training loss along the way, in nats per trained token"
    return (Table("trainings", "Trainings; losses in nats per trained token", frame(header, rows)),
            Table("loss-curves", caption, frame(shares, losses), note=note))  # fmt: skip


def _first_to_last(points: Sequence[LossPoint]) -> str:
    ends = [points[0], points[-1]] if len(points) > 1 else points
    return " → ".join(f"{point.loss:.3f}" for point in ends) or ABSENT


def latency(figures: Frame) -> Section:
    """Return how long answers took, throughput and tokens."""
    own = select(figures, "effort")
    titles = {"p50_s": "p50", "p95_s": "p95", "p99_s": "p99", "first_token_p50_s": "first token p50",
              "per_second": "answers a second", "prompt_tokens": "tokens in",
              "completion_tokens": "tokens out"}  # fmt: skip
    table = pivot(own, {"name": "candidate", "form": "form"}, titles)
    shared = [kind == "batch_share" for kind in own[own["metric"] == "p50_s"]["method"]]
    table.insert(6, "measured as", ["a share of a batch" if one else "a request's own time" for one in shared])
    lead = "A share of a batch is throughput, not response time: the two kinds cannot be compared with each other."
    plots = (("latency", "Seconds per answer at the 50th, 95th and 99th percentile; the figures are below."),)
    times = Table("latency", "Time and tokens of one answer; seconds", table)
    return section("latency", "Latency", times, lead=(lead,) if any(shared) else (), plots=plots)


def leakage(report: Report) -> Section:
    """Return the evidence that test rows were not trained on."""
    if report.leakage is None:
        return section("leakage", "Leakage", lead=("Not measured: the scale's split was not found.",))
    found, sizes = report.leakage.found, report.leakage.sizes
    opening = "No held-out request stands among the training rows" if found.clean else "Held-out requests leaked"
    lead = (
        f"{opening}: of {found.compared:,} pairs compared, {found.same_request} share their request and the closest "
        f"has a similarity of {found.closest_similarity:.2f}, where {found.threshold:g} and above counts as the same.",
    )
    parts = Table("split", "Conversations of the split", frame(("part", "conversations"), sizes.items()))
    sources = Table("sources", "Conversations by source and origin",
                    frame(SourceRows.HEADER, (each.cells for each in report.leakage.sources)))  # fmt: skip
    pair = [("training", found.closest_training_text), ("held out", found.closest_held_out_text)]
    closest = Table("closest", "The closest pair across the two sides",
                    frame(("side", "request"), pair if found.compared else ()))  # fmt: skip
    return section("leakage", "Leakage", parts, sources, closest, lead=(*lead, *report.leakage.short))


def changes(report: Report) -> Section:
    """Return what is different from the previous report of this scale, and why."""
    found = report.changes
    title = "What changed since the previous report"
    if not found.previous_at and not found.previous_hash:
        return section("changes", title, lead=(found.note,))
    why = ((item.what, item.before, item.now) for item in found.causes)
    moved = ((item.name, item.track.lower(), *(ABSENT if value is None else f"{100 * value:.1f}"
                                               for value in (item.before, item.now)))
             for item in found.movements)  # fmt: skip
    lead = [f"Compared with the report of {found.previous_at or 'an unknown time'} (evidence {found.previous_hash})."]
    if found.verdict_before and found.verdict_before != report.verdict.sentence:
        lead.append(f"It said: {found.verdict_before}")
    if not found.causes:
        lead.append("Nothing that was recorded differs: data, models, prompts, LLM and settings are the same.")
    causes = Table("causes", "What the figures rest on that is not what it was", frame(("what", "before", "now"), why))
    header = ("candidate", "form", "before", "now")
    movements = Table("movements", "Field F1 that moved, in percent", frame(header, moved))
    return section("changes", title, causes, movements, lead=lead)


def provenance(report: Report) -> Section:
    """Return where everything came from, and the commands that make it again."""
    rows = {**report.provenance, **report.facts}.items()
    table = Table("provenance", "Where this comes from", frame(("what", "value"), rows))
    lead = ("These commands make it again:",) if report.commands else ()
    return section("provenance", "Provenance", table, lead=lead, commands=report.commands)


def limits(report: Report) -> Section:
    """Return what was synthetic, played by a miniature, absent or not measured."""
    rows = ((item.what, item.kind, item.why) for item in report.limits)
    table = Table("limits", "What keeps this report from saying more", frame(("what", "is", "why"), rows))
    return section("limits", "Synthetic, miniature, absent or not measured", table)
