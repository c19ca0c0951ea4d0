"""A candidate's MODEL_CARD.md in the hub's format: metadata with measured results on top, then what people need.

The metadata is made by huggingface_hub's own classes. What the experiment file does not say (a licence) is not guessed.
"""

from typing import TYPE_CHECKING

from swap_assets.domain.formats.base import Track
from swap_assets.domain.keys import Candidate, Form
from swap_assets.domain.metrics import metric_title
from swap_assets.domain.report.evidence import decisions as decisions_section
from swap_assets.domain.report.report import Report
from swap_assets.domain.report.tables import cell, markdown_parts, markdown_table
from swap_assets.domain.report.wording import TRACK_TITLES, criterion_value, display_name

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

_TASK = "text-generation"


def model_card(report: Report, candidate_id: str) -> str:
    """Return the card of one measured candidate; its results are those of the report."""
    answers = {track: answers for track in Track for note, answers in report.answered(track)
               if note.candidate_id == candidate_id}  # fmt: skip
    verdict = (f"The report's verdict: {cell(report.verdict.sentence)} {cell(report.verdict.how_sure)}"
               if candidate_id == report.best_id else
               f"Nearest to the LLM is another candidate, {cell(display_name(report.best_id))}.")  # fmt: skip
    model = Candidate.from_id(candidate_id).model
    own = tuple(item for item in report.decisions if item.model in ("", model))
    said = tuple(item for item in report.approvals if item.model == model)
    gates = decisions_section(report.model_copy(update={"decisions": own, "approvals": said}))
    criteria = ((item.description, criterion_value(item), item.verdict.replace("_", " "), item.sentence)
                for item in report.criteria.get(candidate_id, ()))  # fmt: skip
    parts = [
        f"---\n{_metadata(report, candidate_id, list(answers)).to_yaml()}\n---",
        f"# {cell(display_name(candidate_id))}",
        *[f"> {cell(notice)}" for notice in report.notices],
        f"One candidate of the experiment {cell(report.experiment)} at scale {cell(report.scale)}, made to take over "
        f"function calling from {cell(display_name(report.llm_id))}. {verdict}",
        "## Results",
        *[part for track, found in answers.items() for part in (
            f"**{TRACK_TITLES[track]}** ({found.answer_format})", _results(report, candidate_id, track))],
        "## Success criteria",
        markdown_table(["criterion", "value", "verdict", "in words"], criteria) or "Not judged.",
        "## Decisions",
        *(markdown_parts(gates)[1:] or ["None was recorded."]),
        "## Limitations",
        markdown_table(["what", "is", "why"], [[item.what, item.kind, item.why] for item in report.limits]),
        f"Measured on the test rows of one scale, {cell(report.facts.get('test rows', 'of an unknown hash'))}; it says "
        "nothing about requests of another kind. Licences of the base model and of the data are not recorded here: "
        "look them up at their source before you pass the model on.",
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _metadata(report: Report, candidate_id: str, tracks: list[Track]) -> "ModelCardData":
    from huggingface_hub import EvalResult, ModelCardData

    candidate = Candidate.from_id(candidate_id)
    origin = report.models.get(candidate.model)
    results = [
        EvalResult(
            task_type=_TASK, task_name=f"function calling, {TRACK_TITLES[track].lower()}", dataset_split="test",
            dataset_type=next(iter(report.datasets), report.experiment),
            dataset_name=f"{report.experiment}, test rows of scale {report.scale}", metric_type=name,
            metric_name=metric_title(name), metric_value=round(metric.value, 6), verified=False,
        )
        for track in tracks
        for name, metric in report.main_figures(candidate_id, track).items()
        if metric.value is not None
    ]  # fmt: skip
    return ModelCardData(
        model_name=candidate_id, base_model=(origin.hub_id or None) if origin else None,
        library_name="peft" if candidate.form is Form.ADAPTER else "transformers", pipeline_tag=_TASK,
        datasets=list(report.datasets) or None,
        tags=["function-calling", "swap-assets", f"approach:{candidate.approach}"], eval_results=results or None,
    )  # fmt: skip


def _results(report: Report, candidate_id: str, track: Track) -> str:
    rows = (
        (metric_title(name), f"{metric.value:.4f}",
         "not computed" if metric.low is None or metric.high is None else f"{metric.low:.4f} to {metric.high:.4f}",
         metric.n)
        for name, metric in report.main_figures(candidate_id, track).items()
        if metric.value is not None
    )  # fmt: skip
    return markdown_table(["metric", "value", "95 % interval", "rows"], rows)
