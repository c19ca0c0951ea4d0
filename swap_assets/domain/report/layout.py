"""From a report to the document that people read: the verdict, a few key figures, then all sections in order."""

from swap_assets.domain.formats.base import Track
from swap_assets.domain.report.comparison import CandidateRow
from swap_assets.domain.report.document import Document, KeyFigure, Section
from swap_assets.domain.report.figures import ABSENT, percent, points, significant
from swap_assets.domain.report.layout_effort import effort_sections, llm_price, origin_sections
from swap_assets.domain.report.layout_evidence import decisions, evidence_sections
from swap_assets.domain.report.layout_results import results_sections
from swap_assets.domain.report.names import display_name, metric_title
from swap_assets.domain.report.report import Report


def lay_out(report: Report) -> Document:
    """Return the document; a section without anything to show says that nothing was measured."""
    sections = (
        *results_sections(report)[:3],
        decisions(report),
        *results_sections(report)[3:],
        *evidence_sections(report),
        *effort_sections(report),
        *origin_sections(report),
    )
    return Document(
        title=f"{report.experiment}, scale {report.scale}: can a small model take over?",
        notices=report.notices,
        verdict=report.verdict.sentence,
        how_sure=report.verdict.how_sure,
        next_step=report.verdict.next_step,
        tone=report.verdict.kind,
        key_figures=key_figures(report),
        sections=tuple(_filled(section) for section in sections),
        written=f"Evidence {report.evidence()}, schema {report.schema_version}, written {report.generated_at or 'now'}",
    )


def key_figures(report: Report) -> tuple[KeyFigure, ...]:
    """Return the few figures at the top: the LLM, the best small model, the distance, the price."""
    llm, best = _row(report, report.llm_id), _row(report, report.best_id)
    metric = metric_title(report.metric)
    found = [
        KeyFigure(title=f"{display_name(report.llm_id)}, {metric}", value=_value(report, llm), note="%, 95 % interval")
    ]
    if best:
        found.append(KeyFigure(title=f"{best.name}, {metric}", value=_value(report, best), note="%, 95 % interval"))
        found.append(KeyFigure(title="LLM − SLM on identical rows", value=points(best.versus_llm), note="points"))
    found.append(
        KeyFigure(title="1,000 calls of the LLM", value=llm_price(report), note="as measured on the test rows")
    )
    if report.cost:
        needed = report.cost.break_even_utilisation
        note = "see the caveats under cost" if report.cost.caveats else "from there the swap is cheaper"
        value = ABSENT if needed is None else f"{significant(100 * needed)} %"
        found.append(KeyFigure(title="Break-even utilisation of one card", value=value, note=note))
    return tuple(found)


def _value(report: Report, row: CandidateRow | None) -> str:
    return percent(row.metrics.get(report.metric)) if row else ABSENT


def _row(report: Report, candidate_id: str) -> CandidateRow | None:
    own = (row for row in report.rows if row.candidate_id == candidate_id and row.track is Track.TOOLCALL)
    return next(own, None)


def _filled(section: Section) -> Section:
    if section.lead or section.tables or section.groups:
        return section if section.tables or section.groups else section.model_copy(update={"plots": ()})
    return section.model_copy(
        update={"lead": (f"{ABSENT.capitalize()}: no candidate has rows for this.",), "plots": ()}
    )
