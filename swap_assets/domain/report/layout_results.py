"""Sections that say how good the candidates are: side by side, against the criteria, against the LLM."""

from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.criteria_table import CriterionResult
from swap_assets.domain.report.comparison import MAIN_METRICS, WITHIN_POINTS, CandidateRow
from swap_assets.domain.report.document import Section, TableView
from swap_assets.domain.report.figures import ABSENT, IN_PERCENT, criterion_value, in_unit, percent, points
from swap_assets.domain.report.layout_breakdowns import by_label, domains, json_quality, no_call, other_splits, tracks
from swap_assets.domain.report.names import METRIC_TITLES, TRACK_TITLES, display_name, metric_title
from swap_assets.domain.report.report import Report


def results_sections(report: Report) -> tuple[Section, ...]:
    """Return the sections from the candidates down to structured against tool calls."""
    return (
        candidates(report),
        criteria(report),
        llm_comparison(report),
        by_label(report, "single_turn", "single-turn", "Single-turn by difficulty"),
        by_label(report, "multi_turn", "multi-turn", "Multi-turn by kind"),
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
        caption=f"{TRACK_TITLES[track]}: every candidate. {IN_PERCENT}",
        header=("candidate", "rows", *(METRIC_TITLES[name] for name in names), "LLM − SLM, points", "of the LLM"),
        rows=tuple(_main_row(row, names, report.llm_id) for row in shown),
        note=f"Answers are written as {', '.join(sorted({row.answer_format for row in shown}))}.",
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
