"""Sections that say why: rows to look at, failures, training, time and cost, and what it all rests on."""

import re
from collections.abc import Sequence

from swap_assets.domain.judging.approval import Approval
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.report.document import ExampleGroup, ExampleView, Section, TableView
from swap_assets.domain.report.examples import A_CLASS, A_SIDE, ExampleAnswer, RowExample
from swap_assets.domain.report.figures import ABSENT, percent, plain, significant
from swap_assets.domain.report.names import METRIC_TITLES, TRACK_TITLES, class_title, display_name, metric_title
from swap_assets.domain.report.report import Report

CURVE_POINTS = 8  # of a loss curve that stand in its table; the plot and report.json have all


def evidence_sections(report: Report) -> tuple[Section, ...]:
    """Return the sections from the rows that one side wins to what was not measured, costs apart."""
    return wins(report), failures(report), learning(report)


def decisions(report: Report) -> Section:
    """Return the recorded decisions."""
    table = TableView(
        name="decisions",
        caption="Decisions, with the rule that made them",
        header=("decision", "for", "verdict", "action", "reason", "rule", "decided by"),
        rows=tuple(_decision(item, report) for item in report.decisions),
    )
    words = TableView(
        name="approvals",
        caption="What people said; names are self-declared",
        header=("release of", "word", "by", "reason", "when", "counts"),
        rows=tuple(
            (f"{item.model} at {item.scale}", item.verdict, item.by, item.reason, item.at, _counts(item, report))
            for item in report.approvals
        ),
    )
    tables = tuple(view for view in (table, words) if view.rows)
    return Section(id="decisions", title="Decisions", tables=tables, groups=tuple(_to_try(report)))


def _to_try(report: Report) -> list[ExampleGroup]:
    """Return what the decisions suggest, each with the entry to paste, whose indents a table would lose."""
    return [
        ExampleGroup(
            title=f"What could be tried next: {class_title(decision.name)} at {decision.scale}",
            examples=tuple(
                ExampleView(title=one.text, lines=(("entry for the experiment file", one.entry, ""),))
                for one in decision.suggestions
            ),
        )
        for decision in report.decisions
        if decision.suggestions
    ]


def _counts(approval: Approval, report: Report) -> str:
    current = {item.content() for item in report.decisions}
    return "yes" if approval.evidence_hash in current else "no: the evidence is another one by now"


def _decision(item: Decision, report: Report) -> tuple[str, ...]:
    return (
        class_title(item.name),
        f"{item.model} at {item.scale}" if item.model else item.scale,
        item.verdict,
        class_title(item.action),
        _in_names_of_people(" ".join((item.reason, *_more(item))), report),
        _in_names_of_people(item.rule, report),
        f"{item.decided_by}, {item.decided_at}".strip(", "),
    )


def _in_names_of_people(text: str, report: Report) -> str:
    """Return a recorded sentence with candidates and metrics called as everywhere else in the report."""
    for candidate in sorted((item.candidate_id for item in report.candidates), key=len, reverse=True):
        text = text.replace(candidate, display_name(candidate))
    for metric in METRIC_TITLES:
        text = re.sub(rf"\b{metric}(_strict)?\b", lambda found: metric_title(found.group()), text)
    return text


_SHOWN_OF_A_DECISION = frozenset(
    {"name", "scale", "model", "rule", "thresholds", "verdict", "action", "reason", "candidates", "contrasts",
     "missing", "hashes", "measured", "rivalries", "rows_needed", "suggestions", "winner", "decided_by", "decided_at"}
)  # fmt: skip


def _more(item: Decision) -> list[str]:
    """Return in words whatever else a decision holds, such as an approval."""
    rest = item.model_dump(mode="json", exclude=set(_SHOWN_OF_A_DECISION), exclude_defaults=True)
    said = [f"{class_title(key).capitalize()}: {_words(value)}." for key, value in rest.items() if value]
    if item.rows_needed:
        said.append(f"About {item.rows_needed:,} rows in all would settle it, if what was measured is true.")
    return said + [f"Missing: {'; '.join(item.missing)}."] * bool(item.missing)


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{class_title(str(key))} {_words(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "; ".join(_words(inner) for inner in value)
    return str(value)


def wins(report: Report) -> Section:
    """Return how the rows are shared out, and rows that one side wins."""
    llm = display_name(report.llm_id)
    table = TableView(
        name="wins",
        caption="Tool-call rows by who answers them exactly right",
        header=("candidate", "both", f"only {llm}", "only the candidate", "neither"),
        rows=tuple(
            (row.name, str(row.both), str(row.only_llm), str(row.only_slm), str(row.neither)) for row in report.wins
        ),
    )
    own = next((row for row in report.wins if row.candidate_id == report.examples.candidate_id), None)
    shown = report.examples
    groups = []
    if own:
        groups = [
            ExampleGroup(title=_of(f"Rows that only {llm} answers right", len(shown.llm_wins), own.only_llm),
                         examples=_views(shown.llm_wins)),
            ExampleGroup(title=_of(f"Rows that only {own.name} answers right", len(shown.slm_wins), own.only_slm),
                         examples=_views(shown.slm_wins)),
        ]  # fmt: skip
    lead = (
        (f"Examples are rows of {own.name}, at most {A_SIDE} a side; the command swap-assets diff lists all of them.",)
        if own
        else ()
    )
    return Section(id="wins", title="Rows that one side wins", lead=lead, tables=(table,) if table.rows else (),
                   groups=tuple(group for group in groups if group.examples))  # fmt: skip


def failures(report: Report) -> Section:
    """Return the failures by class with examples of each."""
    counts = [row.counts for row in report.failures]
    classes = sorted(
        {name for count in counts for name in count}, key=lambda name: -sum(row.get(name, 0) for row in counts)
    )
    table = TableView(
        name="failures",
        caption="Wrong answers by class; each wrong row has exactly one",
        header=("candidate", "form", "rows", "wrong", *(class_title(name) for name in classes)),
        rows=tuple(
            (
                row.name,
                TRACK_TITLES[row.track].lower(),
                str(row.rows),
                str(sum(row.counts.values())),
                *(str(row.counts.get(name, 0)) for name in classes),
            )
            for row in report.failures
        ),
    )
    shown = report.examples
    own = next((row.counts for row in report.failures if row.candidate_id == shown.candidate_id), {})
    groups = tuple(
        ExampleGroup(title=_of(class_title(name).capitalize(), len(examples), own.get(name, len(examples))),
                     examples=_views(examples))
        for name, examples in shown.failures.items()
    )  # fmt: skip
    lead = (f"The examples are tool-call rows of {shown.name}, up to {A_CLASS} of each class.",) if groups else ()
    return Section(
        id="failures",
        title="Why answers are wrong",
        lead=lead,
        plots=(("failures", "Wrong tool calls by class for every candidate; the counts are in the table below."),),
        tables=(table,) if table.rows else (),
        groups=groups,
    )


def _of(title: str, shown: int, total: int) -> str:
    return f"{title} ({shown} of {total})"


def _views(examples: Sequence[RowExample]) -> tuple[ExampleView, ...]:
    return tuple(_view(example) for example in examples)


def _view(example: RowExample) -> ExampleView:
    labels = ", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in example.labels.items())
    earlier = f" (after {example.earlier_turns} earlier messages)" if example.earlier_turns else ""
    offered = ("tools offered", ", ".join(example.tools) or "none", "")
    return ExampleView(
        title=f"{example.case_id} · {example.origin} row · {labels}",
        lines=(
            (f"request{earlier}", example.request, ""),
            offered,
            ("right answer", example.gold, ""),
            *(_said(answer) for answer in example.answers),
        ),
    )


def _said(answer: ExampleAnswer) -> tuple[str, str, str]:
    if answer.right is None:
        mark = "not scored"
    elif answer.right:
        mark = "right"
    else:
        mark = f"wrong, {class_title(answer.failure)}: {answer.difference}" if answer.failure else "wrong"
    return f"{answer.role}: {answer.name}", answer.text, mark


def learning(report: Report) -> Section:
    """Return the loss curves and the score by scale."""
    several = len({row.scale for row in report.scales}) > 1
    plots = [("learning", "Training and validation losses; the figures are below.")] if report.learning else []
    plots += [("scales", "Field F1 by number of training rows; the figures are below.")] if several else []
    lead = () if several else ("One scale has been measured, so nothing can be said about what more data would bring.",)
    tables = ([_trainings(report), _loss_points(report)] if report.learning else []) + [_by_scale(report)] * several
    return Section(id="learning", title="Learning curves", lead=lead, plots=tuple(plots), tables=tuple(tables))


def _trainings(report: Report) -> TableView:
    return TableView(
        name="trainings",
        caption="Trainings; losses in nats per trained token",
        header=("adapter", "rows", "steps", "training loss", "validation loss", "minutes", "tokens a second", "device"),
        rows=tuple(
            (
                f"{row.name}, {row.adapter}",
                str(row.rows),
                str(row.steps),
                _first_to_last([point.loss for point in row.training]),
                _first_to_last([point.loss for point in row.validation]),
                plain(row.seconds / 60, 1),
                plain(row.tokens_per_second, 0),
                row.device,
            )
            for row in report.learning
        ),
    )


def _loss_points(report: Report) -> TableView:
    return TableView(
        name="loss-curves",
        caption="Training loss along the way, in nats per trained token",
        header=("adapter", *(f"{100 * index // (CURVE_POINTS - 1)} %" for index in range(CURVE_POINTS))),
        rows=tuple(
            (f"{row.name}, {row.adapter}", *_along([point.loss for point in row.training])) for row in report.learning
        ),
        note="Columns are shares of the training's steps; report.json holds every point of the plot.",
    )


def _by_scale(report: Report) -> TableView:
    return TableView(
        name="scales",
        caption="Tool calls by scale, in percent with 95 % intervals",
        header=("candidate", "scale", "training rows", "field F1", "whole answer exact"),
        rows=tuple(
            (
                row.series,
                row.scale,
                str(row.train_rows) if row.train_rows is not None else ABSENT,
                percent(row.field_f1),
                percent(row.exact_match),
            )
            for row in report.scales
        ),
    )


def _first_to_last(losses: Sequence[float]) -> str:
    if not losses:
        return ABSENT
    return f"{losses[0]:.3f} → {losses[-1]:.3f}" if len(losses) > 1 else f"{losses[0]:.3f}"


def _along(losses: Sequence[float]) -> list[str]:
    if not losses:
        return [ABSENT] * CURVE_POINTS
    places = [round(index * (len(losses) - 1) / (CURVE_POINTS - 1)) for index in range(CURVE_POINTS)]
    return [significant(losses[place]) for place in places]
