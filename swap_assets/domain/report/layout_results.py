"""Sections that say how good the candidates are: criteria, comparison with the LLM, figures by what a row asks for."""

from swap_assets.domain.contracts import Track
from swap_assets.domain.judging.criteria_table import CriterionResult
from swap_assets.domain.report.capabilities import ALL, JSON_METRICS, LABEL_METRICS, LabelRow
from swap_assets.domain.report.comparison import MAIN_METRICS, WITHIN_POINTS, CandidateRow
from swap_assets.domain.report.document import Section, TableView
from swap_assets.domain.report.figures import ABSENT, criterion_value, in_unit, percent, plain, points
from swap_assets.domain.report.names import METRIC_TITLES, TRACK_TITLES, display_name, metric_title
from swap_assets.domain.report.report import Report

_PERCENT = "In percent, with 95 % intervals."


def results_sections(report: Report) -> tuple[Section, ...]:
    """Return the sections from the candidates down to structured against tool calls."""
    return (
        candidates(report),
        criteria(report),
        llm_comparison(report),
        _by_label(report, "single_turn", "single-turn", "Single-turn by difficulty"),
        _by_label(report, "multi_turn", "multi-turn", "Multi-turn by kind"),
        json_quality(report),
        domains(report),
        other_splits(report),
        no_call(report),
        tracks(report),
    )


def candidates(report: Report) -> Section:
    """Return who was compared, with the main figures."""
    found = [note for note in report.candidates if note.status != "evaluated"]
    absent = TableView(
        name="not-evaluated",
        caption="Candidates that were not measured",
        header=("candidate", "status", "why"),
        rows=tuple((note.name, note.status, note.reason or "no reason was kept") for note in found),
    )
    lead = []
    if report.floor:
        lead.append(
            f"On {100 * report.floor:.0f} % of the rows no call is right: a model that never calls anything would "
            f"score {100 * report.floor:.1f} in field F1 and in whole answers. Read every figure above that floor."
        )
    tables = [main_table(report, track) for track in Track if any(row.track is track for row in report.rows)]
    return Section(
        id="candidates",
        title="Candidates at a glance",
        lead=tuple(lead),
        plots=(("scores", "Field F1 of every candidate's tool calls with its 95 % interval; the figures are below."),),
        tables=(*tables, *([absent] if found else [])),
    )


def main_table(report: Report, track: Track) -> TableView:
    """Return one track's comparison of all candidates."""
    shown = [row for row in report.rows if row.track is track]
    names = [name for name in MAIN_METRICS if any(name in row.metrics for row in shown)]
    return TableView(
        name=f"main-{track.value}",
        caption=f"{TRACK_TITLES[track]}: every candidate. {_PERCENT}",
        header=("candidate", "rows", *(METRIC_TITLES[name] for name in names), "LLM − SLM, points", "of the LLM"),
        rows=tuple(_main_row(row, names, report.llm_id) for row in shown),
        note=f"Answers are written as {', '.join(sorted({row.contract for row in shown}))}.",
    )


def _main_row(row: CandidateRow, names: list[str], llm_id: str) -> tuple[str, ...]:
    rows = f"{row.cases - row.unscored}/{row.cases}" if row.unscored else str(row.cases)
    versus, is_llm = row.versus_llm, row.candidate_id == llm_id
    share = f"{versus.percent_of_llm:.0f} %" if versus and versus.percent_of_llm is not None else ABSENT
    distance = ("–", "–") if is_llm else (points(versus), share)
    return (row.name, rows, *(percent(row.metrics.get(name)) for name in names), *distance)


def criteria(report: Report) -> Section:
    """Return all success criteria of every candidate with value, interval, threshold and verdict."""

    def best_first(entry: tuple[str, object]) -> bool:
        return entry[0] != report.best_id

    header = ("criterion", "verdict", "value [95 % interval]", "asked", "rows", "in words")
    tables = tuple(
        TableView(
            name=f"criteria-{index}",
            caption=f"Success criteria of {display_name(candidate)}",
            header=header,
            rows=tuple(_criterion(result) for result in results),
            folded=candidate != report.best_id,
        )
        for index, (candidate, results) in enumerate(sorted(report.criteria.items(), key=best_first), start=1)
    )
    lead = (
        "Passed means that the whole 95 % interval reaches what is asked; failed, that none of it does; inconclusive, "
        "that too few rows were asked to tell.",
    )
    counts = TableView(
        name="criteria-counts",
        caption="Criteria by verdict",
        header=("candidate", "passed", "failed", "inconclusive", "not measured"),
        rows=tuple(
            (display_name(candidate), *(str(sum(item.verdict == verdict for item in results)) for verdict in _VERDICTS))
            for candidate, results in report.criteria.items()
        ),
    )
    return Section(id="criteria", title="Success criteria", lead=lead, tables=(counts, *tables) if tables else ())


_VERDICTS = ("pass", "fail", "inconclusive", "not_measured")
_VERDICT_WORDS = {"pass": "✓ passed", "fail": "✗ failed", "inconclusive": "? inconclusive", "not_measured": ABSENT}


def _criterion(result: CriterionResult) -> tuple[str, ...]:
    return (
        result.description,
        _VERDICT_WORDS[result.verdict],
        criterion_value(result),
        in_unit(result.threshold, result.unit),
        str(result.rows),
        result.sentence,
    )


def llm_comparison(report: Report) -> Section:
    """Return every candidate's distance to the LLM on identical rows."""
    header = (
        "candidate", "metric", "SLM %", "LLM %", "LLM − SLM, points [95 % interval]",
        f"within {WITHIN_POINTS:g} points",
        "surpasses the LLM", "identical rows",
    )  # fmt: skip
    tables = []
    for track in Track:
        rows = tuple(
            (
                item.name,
                metric_title(item.contrast.metric),
                f"{100 * item.contrast.slm:.1f}",
                f"{100 * item.contrast.llm:.1f}",
                points(item.contrast),
                item.within,
                item.surpasses,
                str(item.contrast.rows),
            )
            for item in sorted(report.comparisons, key=lambda item: item.name)
            if item.contrast.track is track
        )
        if rows:
            caption = f"{TRACK_TITLES[track]}: distance to {display_name(report.llm_id)}"
            tables.append(TableView(name=f"llm-{track.value}", caption=caption, header=header, rows=rows))
    return Section(
        id="llm",
        title="Against the LLM, on identical rows",
        lead=(
            "Each candidate and the LLM are compared row by row on rows that both answered; positive points mean that "
            "the small model is behind.",
        ),
        plots=(("comparison", "Points behind the LLM with 95 % intervals; the figures are in the tables below."),),
        tables=tuple(tables),
    )


def _by_label(report: Report, split: str, plot: str, title: str) -> Section:
    shown = [row for row in report.labels if row.split == split]
    tables = tuple(
        TableView(
            name=f"{split.replace('_', '-')}-{track.value}",
            caption=f"{TRACK_TITLES[track]}: {title.lower()}. {_PERCENT}",
            header=("rows of kind", "candidate", "rows", *(METRIC_TITLES[name] for name in LABEL_METRICS)),
            rows=tuple(_label(row) for row in shown if row.track is track),
        )
        for track in Track
        if any(row.track is track for row in shown)
    )
    words = f"Field F1 of tool calls by label, {title.lower()}; the figures are in the tables below."
    return Section(id=plot, title=title, plots=((split, words),), tables=tables)


def other_splits(report: Report) -> Section:
    """Return real and synthetic rows apart, and the test splits without a section of their own."""
    own = ("single_turn", "multi_turn", "domain")
    shown = [row for row in report.labels if row.split not in own and row.track is Track.TOOLCALL]
    names = sorted({row.split for row in shown}, key=lambda name: (name != "origin", name))
    tables = tuple(
        TableView(
            name=f"split-{name.replace('_', '-')}",
            caption=f"Tool calls by {name.replace('_', ' ')}. {_PERCENT}",
            header=("rows of kind", "candidate", "rows", *(METRIC_TITLES[metric] for metric in LABEL_METRICS)),
            rows=tuple(_label(row) for row in shown if row.split == name),
            folded=name != "origin",
        )
        for name in names
    )
    return Section(id="splits", title="Real and synthetic rows, and other splits", tables=tables)


def _label(row: LabelRow) -> tuple[str, ...]:
    label = "all of them" if row.label == ALL else row.label.replace("_", " ")
    return (label, row.name, str(row.rows), *(percent(row.metrics.get(name)) for name in LABEL_METRICS))


def json_quality(report: Report) -> Section:
    """Return how clean the answers are."""
    table = TableView(
        name="json-quality",
        caption=f"JSON quality by candidate and form of answer. {_PERCENT}",
        header=("candidate", "form", *(METRIC_TITLES[name] for name in JSON_METRICS)),
        rows=tuple(
            (row.name, row.contract, *(percent(row.metrics.get(name)) for name in JSON_METRICS))
            for row in report.json_quality
        ),
    )
    return Section(id="json", title="JSON quality", tables=(table,) if table.rows else ())


def domains(report: Report) -> Section:
    """Return the heat map of field F1 over the domains, and how even candidates are."""
    tables = []
    for track in Track:
        shown = [row for row in report.labels if row.split == "domain" and row.label != ALL and row.track is track]
        if not shown:
            continue
        labels = sorted({row.label for row in shown})
        names = list(dict.fromkeys(row.name for row in shown))
        value = {(row.name, row.label): row.metrics.get("field_f1") for row in shown}
        cells = {key: f"{100 * metric.value:.0f}" if metric and metric.value is not None else ABSENT
                 for key, metric in value.items()}  # fmt: skip
        count = {row.label: row.rows for row in shown}
        tables.append(
            TableView(
                name=f"domains-{track.value}",
                caption=f"{TRACK_TITLES[track]}: field F1 by domain, in percent",
                header=("domain", "rows", *names),
                rows=tuple(
                    (label, str(count[label]), *(cells.get((name, label), ABSENT) for name in names))
                    for label in labels
                ),
                note="A domain has few rows; the table below says how much of the spread is more than chance.",
                heat=True,
            )
        )
    spread = TableView(
        name="domain-spread",
        caption="How even candidates are over the domains (standard deviation of field F1, 0 to 1)",
        header=("candidate", "form", "as measured", "without sampling noise [95 % interval]", "lowest domain"),
        rows=tuple(
            (
                row.name,
                TRACK_TITLES[row.track].lower(),
                _deviation(row.metrics.get("domain_deviation")),
                _deviation(row.metrics.get("domain_deviation_corrected")),
                _lowest(row.metrics.get("domain_lowest")),
            )
            for row in report.domain_spread
        ),
    )
    return Section(id="domains", title="By domain", tables=(*tables, *([spread] if spread.rows else [])))


def _deviation(metric) -> str:
    if metric is None or metric.value is None:
        return f"{ABSENT}: {metric.method}" if metric and metric.method else ABSENT
    if metric.low is None or metric.high is None:
        return plain(metric.value)
    return f"{metric.value:.3f} [{metric.low:.2f}–{metric.high:.2f}]"


def _lowest(metric) -> str:
    if metric is None or metric.value is None:
        return ABSENT
    return f"{metric.method.removeprefix('lowest: ')}: {percent(metric)}"


def no_call(report: Report) -> Section:
    """Return how candidates do where no call is right."""
    table = TableView(
        name="no-call",
        caption=f"Rows on which no call is right. {_PERCENT}",
        header=(
            "candidate",
            "form",
            "rows",
            "right not to call",
            "called all the same",
            "silent where a call was right",
        ),
        rows=tuple(
            (
                row.name,
                TRACK_TITLES[row.track].lower(),
                str(row.accuracy.n),
                percent(row.accuracy),
                str(row.called_all_the_same),
                str(row.silent_where_a_call_was_right),
            )
            for row in report.no_call
        ),
    )
    lead = ("A model that calls a function when it should ask back or answer in words does harm by itself.",)
    return Section(id="no-call", title="Knowing when not to call", lead=lead, tables=(table,) if table.rows else ())


def tracks(report: Report) -> Section:
    """Return structured answers against tool calls on identical rows."""
    table = TableView(
        name="tracks",
        caption="The same rows answered in both forms: field F1 in percent",
        header=("candidate", "structured", "tool calls", "structured − tool calls, points [95 % interval]", "rows"),
        rows=tuple(
            (
                row.name,
                f"{100 * row.structured:.1f}",
                f"{100 * row.toolcall:.1f}",
                f"{100 * row.difference:+.1f} [{100 * row.low:+.1f} to {100 * row.high:+.1f}]",
                str(row.rows),
            )
            for row in report.track_pairs
        ),
    )
    return Section(id="tracks", title="Structured answers against tool calls", tables=(table,) if table.rows else ())
