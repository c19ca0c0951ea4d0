"""A candidate's MODEL_CARD.md in the hub's format: metadata with measured results on top, then what people need.

The metadata is made by huggingface_hub's own classes. What the experiment file does not say (a licence) is not guessed.
"""

from typing import TYPE_CHECKING

from swap_assets.domain.formats.base import Track
from swap_assets.domain.keys import Candidate, Form
from swap_assets.domain.metrics import metric_title
from swap_assets.domain.report.evidence import decisions as decisions_section
from swap_assets.domain.report.report import Report
from swap_assets.domain.report.tables import Section, cell, markdown_parts, markdown_table
from swap_assets.domain.report.wording import TRACK_TITLES, criterion_value, display_name

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

_TASK = "text-generation"


def model_card(report: Report, candidate_id: str) -> str:
    """Return the card of one measured candidate; its results are those of the report."""
    tracks = [track for track in Track if candidate_id in {note.candidate_id for note, _ in report.answered(track)}]
    criteria = ((item.description, criterion_value(item), item.verdict.replace("_", " "), item.sentence)
                for item in report.criteria.get(candidate_id, ()))  # fmt: skip
    parts = [
        f"---\n{_metadata(report, candidate_id, tracks).to_yaml()}\n---",
        f"# {cell(display_name(candidate_id))}",
        *[f"> {cell(notice)}" for notice in report.notices],
        f"One candidate of the experiment {cell(report.experiment)} at scale {cell(report.scale)}, made to take over "
        f"function calling from {cell(display_name(report.llm_id))}. {_verdict(report, candidate_id)}",
        "## Results",
        *[part for track in tracks for part in _results(report, candidate_id, track)],
        "## Success criteria",
        markdown_table(["criterion", "value", "verdict", "in words"], criteria) or "Not judged.",
        "## Decisions",
        *(markdown_parts(_gates(report, candidate_id))[1:] or ["None was recorded."]),
        "## Limitations",
        markdown_table(["what", "is", "why"], [[item.what, item.kind, item.why] for item in report.limits]),
        f"Measured on the test rows of one scale, {cell(report.facts.get('test rows', 'of an unknown hash'))}; it says "
        "nothing about requests of another kind. Licences of the base model and of the data are not recorded here: "
        "look them up at their source before you pass the model on.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metadata(report: Report, candidate_id: str, tracks: list[Track]) -> "ModelCardData":
    from huggingface_hub import ModelCardData

    candidate = Candidate.from_id(candidate_id)
    origin = report.models.get(candidate.model)
    results = [result for track in tracks for result in _eval_results(report, candidate_id, track)]
    return ModelCardData(
        model_name=candidate_id, base_model=(origin.hub_id or None) if origin else None,
        library_name="peft" if candidate.form is Form.ADAPTER else "transformers", pipeline_tag=_TASK,
        datasets=list(report.datasets) or None,
        tags=["function-calling", "swap-assets", f"approach:{candidate.approach}"], eval_results=results or None,
    )  # fmt: skip


def _eval_results(report: Report, candidate_id: str, track: Track) -> "list[EvalResult]":
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type=_TASK,
            task_name=f"function calling, {TRACK_TITLES[track].lower()}",
            dataset_type=next(iter(report.datasets), report.experiment),
            dataset_name=f"{report.experiment}, test rows of scale {report.scale}",
            dataset_split="test",
            metric_type=name,
            metric_name=metric_title(name),
            metric_value=round(metric.value, 6),
            verified=False,
        )
        for name, metric in report.main_figures(candidate_id, track).items()
        if metric.value is not None
    ]


def _verdict(report: Report, candidate_id: str) -> str:
    if candidate_id == report.best_id:
        return f"The report's verdict: {cell(report.verdict.sentence)} {cell(report.verdict.how_sure)}"
    return f"Nearest to the LLM is another candidate, {cell(display_name(report.best_id))}."


def _results(report: Report, candidate_id: str, track: Track) -> list[str]:
    (answers,) = (found for note, found in report.answered(track) if note.candidate_id == candidate_id)
    rows = (
        (metric_title(name), f"{metric.value:.4f}",
         "not computed" if metric.low is None or metric.high is None else f"{metric.low:.4f} to {metric.high:.4f}",
         metric.n)
        for name, metric in report.main_figures(candidate_id, track).items()
        if metric.value is not None
    )  # fmt: skip
    table = markdown_table(["metric", "value", "95 % interval", "rows"], rows)
    return [f"**{TRACK_TITLES[track]}** ({answers.answer_format})", table]


def _gates(report: Report, candidate_id: str) -> Section:
    model = Candidate.from_id(candidate_id).model
    own = tuple(item for item in report.decisions if item.model in ("", model))
    said = tuple(item for item in report.approvals if item.model == model)
    return decisions_section(report.model_copy(update={"decisions": own, "approvals": said}))
