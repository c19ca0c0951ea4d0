"""Writing the report as Markdown: the verdict first, then what it rests on.

Model output and file names are untrusted text; `cell` keeps them from breaking out of a table.
"""

from collections.abc import Iterable, Sequence

from swap_assets.domain.contracts import Track
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.report.report import MAIN_METRICS, CandidateRow, Report
from swap_assets.domain.scoring.scores import Metric

_TITLES = {
    "field_f1": "field F1",
    "exact_match": "whole answer exact",
    "name_match": "name match",
    "valid_json": "valid JSON",
    "format_compliance": "format to the letter",
    "no_call_accuracy": "no-call accuracy",
}
_TRACKS = {Track.TOOLCALL: "Tool calls", Track.STRUCTURED: "Structured answers"}


def to_markdown(report: Report) -> str:
    """Return the whole report."""
    parts = [
        f"# {cell(report.experiment)}, scale {cell(report.scale)}: can a small model take over?",
        *[f"> {notice}" for notice in report.notices],
        f"**{report.verdict}**",
        _floor(report),
        _section("Candidates", candidates_table(report)),
        *[_section(title, main_table(report, track)) for track, title in _TRACKS.items() if _has(report, track)],
        _section("Decisions", decisions_list(report.decisions)),
        _section("Success criteria", _criteria(report)),
        _section("By test split", _labels(report)),
        _section("Failures by class", _failures(report)),
        _section("Where this comes from", _bullets(f"{key}: {cell(text)}" for key, text in report.provenance.items())),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main_table(report: Report, track: Track) -> str:
    """Return one track's comparison as a Markdown table, in percent with 95 % intervals."""
    shown = [row for row in report.rows if row.track is track]
    names = [name for name in MAIN_METRICS if any(name in row.metrics for row in shown)]
    header = ["candidate", "answers as", "rows", *[_TITLES[name] for name in names]]
    header += ["LLM − SLM, points", "% of LLM", "cost / 1,000", "p50 s"]
    return table(header, [_main_row(row, names) for row in shown])


def candidates_table(report: Report) -> str:
    """Return which candidates there are and how far each came."""
    return table(
        ["candidate", "status", "why"],
        [[note.candidate_id, note.status, note.reason or "–"] for note in report.candidates],
    )


def decisions_list(decisions: Sequence[Decision]) -> str:
    """Return each decision with its rule, verdict, action and reason."""
    return table(
        ["decision", "for", "verdict", "action", "reason"],
        [
            [item.name, item.model or item.scale, item.verdict, item.action.replace("_", " "), item.reason]
            for item in decisions
        ],
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; an empty one is an empty text."""
    lines = ["| " + " | ".join(cell(str(value)) for value in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(header) + " |", "|" + " --- |" * len(header), *lines])


def percent(metric: Metric | None) -> str:
    """Return a metric in percent with its interval; a dash where it was not measured."""
    if metric is None or metric.value is None:
        return "–"
    if metric.low is None or metric.high is None:
        return f"{100 * metric.value:.1f}"
    return f"{100 * metric.value:.1f} [{100 * metric.low:.0f}–{100 * metric.high:.0f}]"


def cell(text: str) -> str:
    """Return text that stays inside its table cell and starts no markup of its own."""
    flat = "".join(" " if ord(sign) < 32 else sign for sign in text)
    return flat.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")


def _floor(report: Report) -> str:
    if report.floor is None:
        return ""
    return (
        f"On {100 * report.floor:.0f} % of the rows no call is right: a model that never calls anything would score "
        f"{100 * report.floor:.1f} in field F1 and in whole answers. Read every figure above that floor."
    )


def _has(report: Report, track: Track) -> bool:
    return any(row.track is track for row in report.rows)


def _main_row(row: CandidateRow, names: Sequence[str]) -> list[str]:
    versus = row.versus_llm
    delta, share = "–", "–"
    if versus:
        delta = f"{versus.delta_points:+.1f} [{versus.low_points:+.1f} to {versus.high_points:+.1f}]"
        share = f"{versus.percent_of_llm:.0f}" if versus.percent_of_llm is not None else "–"
    scored = f"{row.cases - row.unscored}/{row.cases}" if row.unscored else str(row.cases)
    cost = f"{row.cost_per_thousand:.3f}" if row.cost_per_thousand is not None else "–"
    latency = f"{row.latency_p50_s:.3f}" if row.latency_p50_s is not None else "–"
    if row.latency_kind == "batch_share":
        latency += " (batched)"
    metrics = [percent(row.metrics.get(name)) for name in names]
    return [row.candidate_id, row.contract, scored, *metrics, delta, share, cost, latency]


def _criteria(report: Report) -> str:
    rows = [
        [candidate, result.name, result.verdict.replace("_", " "), result.sentence]
        for candidate, results in report.criteria.items()
        for result in results
    ]
    return table(["candidate", "criterion", "verdict", "in words"], rows)


def _labels(report: Report) -> str:
    rows = [
        [row.split, row.label, row.candidate_id, row.track.value, str(row.rows), percent(row.field_f1),
         percent(row.exact_match)]
        for row in sorted(report.labels, key=lambda row: (row.split, row.label, row.track.value, row.candidate_id))
    ]  # fmt: skip
    return table(["split", "label", "candidate", "track", "rows", "field F1", "whole answer exact"], rows)


def _failures(report: Report) -> str:
    rows = [
        [candidate, ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items() if count) or "none"]
        for candidate, counts in report.failures.items()
    ]
    return table(["candidate", "failures"], rows)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""
