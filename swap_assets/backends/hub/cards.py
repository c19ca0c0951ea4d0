"""Model cards in the hub's format: YAML metadata on top, then what people need.

A candidate's MODEL_CARD.md is what it scored in the report; the README.md in a model's folder says how it was made, and
names hashes and measured numbers, and no path of this machine. The metadata is made by huggingface_hub's own classes;
what nobody has said (a licence) is not guessed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from swap_assets.backends.hub.access import cached_folder
from swap_assets.backends.models.provenance import AdapterCard, Made, MergeCard, adapter_card, refuse_pickles
from swap_assets.backends.processes.specs import TrainResult, TrainSpec
from swap_assets.backends.store.whole import write_text
from swap_assets.domain.experiment.recipes import LoraSettings, TrainingSettings
from swap_assets.domain.formats.base import Track
from swap_assets.domain.keys import Candidate, Form
from swap_assets.domain.metrics import metric_title
from swap_assets.domain.report.comparison import Report
from swap_assets.domain.report.reasons import decisions as decisions_section
from swap_assets.domain.report.tables import cell, markdown_parts, markdown_table
from swap_assets.domain.report.wording import TRACK_TITLES, criterion_value, display_name

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData


_TASK = "text-generation"
README = "README.md"
_TAGS = ["function-calling", "tool-use", "swap-assets"]


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


def write_adapter_readme(result: TrainResult) -> Path:
    """Write a trained adapter's card into its folder, as peft has it; PickledWeightsError where pickles lie there."""
    from huggingface_hub import ModelCardData

    folder = result.adapter
    refuse_pickles(folder)
    card = adapter_card(folder, again="train the adapter again")
    spec = card.spec
    base = hub_name(spec.weights.source)
    head = ModelCardData(
        base_model=base or None,
        datasets=list(spec.datasets) or None,
        license=licence_of(spec) or None,
        library_name="peft",
        pipeline_tag="text-generation",
        tags=[*([f"base_model:adapter:{base}"] if base else []), "lora", "transformers", *_TAGS],
    )
    write_text(folder / README, f"---\n{head.to_yaml()}\n---\n\n{_adapter_text(card, result)}")
    return folder / README


def merged_readme(measured: str, cards: Mapping[str, MergeCard], *, told: Mapping[str, str]) -> str:
    """Return the model card of merged models.

    It is the candidate's card as the report has `measured` it, with further sections `told` by their headings, and what
    was merged with what settings. There is a card for each adapter by its name; several lie in folders of that name.
    """
    from huggingface_hub import ModelCard

    readme, first = ModelCard(measured), next(iter(cards.values()))
    readme.data["license"] = first.licence or None
    readme.data["tags"] = sorted({*(readme.data.get("tags") or []), *_TAGS})
    loading = f"{first.base} with LoRA merged into its {first.dtype} weights; no adapter is needed."
    if len(cards) > 1:
        loading += f" One model for each answer format lies in {' and '.join(cards)}: give it as `subfolder`."
    lines = []
    for heading, text in {"Loading": loading, **told}.items():
        lines += ["", f"## {heading}", text]
    for name, card in cards.items():
        lines += ["", f"## Made with: {name}", *_made_with(card)]
    return readme.content.rstrip() + "\n" + "\n".join(lines)


def _made_with(card: MergeCard) -> list[str]:
    made = {"answer_format": card.answer_format.name, "prompt style": card.prompt_style.value, "seed": card.seed}
    hashes = {"base": card.base_hash, "adapter": card.adapter_hash, "training rows": card.dataset_hash,
              "prompt and template": card.prompt_hash, "merged weights": card.merged_hash}  # fmt: skip
    settings = made | _settings(card.lora, card.training)
    return [_table("setting", "value", settings), "", _table("hash of", "value", hashes), "", _versions(card), ""]


def licence_of(spec: TrainSpec) -> str:
    """Return the licence that the base's own card names, an empty text where it lies neither beside it nor cached."""
    from huggingface_hub import ModelCard

    source = Path(spec.weights.source)
    folder = source if source.is_dir() else cached_folder(spec.weights.source, spec.weights.revision)
    path = folder / README if folder else None
    if path is None or not path.is_file():
        return ""
    return str(ModelCard(path.read_text(encoding="utf-8"), ignore_metadata_errors=True).data.get("license") or "")


def hub_name(source: str) -> str:
    """Return a base's hub id, an empty text where it is a folder of this machine."""
    return "" if Path(source).is_absolute() else source


def _adapter_text(card: AdapterCard, result: TrainResult) -> str:
    spec = card.spec
    base = hub_name(spec.weights.source) or Path(spec.weights.source).name
    rows = result.train_rows
    losses = {"training, mean over the steps": f"{result.train_loss:.4f}"}
    losses |= {f"validation, epoch {point.epoch:g}": f"{point.loss:.4f}" for point in result.validation_curve}
    hashes = {"base": card.base_hash, "training rows": card.dataset_hash, "prompt and template": card.prompt_hash,
              "adapter": card.adapter_hash}  # fmt: skip
    parts = [
        f"# {spec.candidate_id}",
        f"A LoRA adapter for {base}. It answers in the answer format `{spec.answer_format.name}`, prompted in the "
        f"style `{spec.prompt_style.value}`; the chat template that it was trained with lies beside it.",
        f"Trained on {rows.used} of {rows.read} rows ({rows.trained_tokens} tokens carry loss; {rows.cut} rows were "
        f"cut and {rows.lost} lost to the length limit), {result.steps} steps of {result.rows_per_step} rows on "
        f"{result.device}, seed {spec.seed}. It holds the weights of step {result.kept_step}.",
        f"## Losses\n{_table('loss', 'nats a token', losses)}",
        f"## Settings\n{_table('setting', 'value', _settings(spec.lora, spec.training))}",
        f"## Hashes\n{_table('of', 'hash', hashes)}",
        f"{_versions(card)}\n",
    ]
    return "\n\n".join(parts)


def _table(name: str, value: str, rows: Mapping[str, object]) -> str:
    return markdown_table([name, value], [[key, str(cell)] for key, cell in rows.items()])


def _settings(lora: LoraSettings, training: TrainingSettings) -> dict[str, object]:
    listed = {f"LoRA {name}": value for name, value in lora.model_dump(mode="json").items()}
    return {name.replace("_", " "): value for name, value in (listed | training.model_dump(mode="json")).items()}


def _versions(card: Made) -> str:
    listed = ", ".join(f"{name} {version}" for name, version in card.versions.items())
    return f"Made with {listed}" + (f"; commit {card.git_commit}." if card.git_commit else ".")
