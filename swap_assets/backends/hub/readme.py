"""The README.md in a model's folder, as the hub and peft have it: YAML front matter, then how the model was made.

It names hashes and measured numbers, and no path of this machine. What a candidate scored is `report.model_card`'s.
"""

from collections.abc import Mapping
from pathlib import Path

from swap_assets.backends.hub.access import cached_folder
from swap_assets.backends.models.model_files import refuse_pickles
from swap_assets.backends.models.provenance import ADAPTER_CARD, AdapterCard, MergeCard
from swap_assets.backends.processes.specs import TrainResult, TrainSpec
from swap_assets.backends.store.artefacts import write_text
from swap_assets.domain.experiment.approaches import LoraSettings, TrainingSettings
from swap_assets.domain.report.tables import markdown_table

README = "README.md"
_TAGS = ["function-calling", "tool-use", "swap-assets"]


def write_adapter_readme(result: TrainResult) -> Path:
    """Write a trained adapter's card into its folder, as peft has it; PickledWeightsError where pickles lie there."""
    from huggingface_hub import ModelCardData

    folder = result.adapter
    refuse_pickles(folder)
    card = AdapterCard.model_validate_json((folder / ADAPTER_CARD).read_text(encoding="utf-8"))
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
    return "\n".join(
        [
            f"# {spec.candidate_id}",
            "",
            f"A LoRA adapter for {base}. It answers in the answer format `{spec.answer_format.name}`, prompted in the "
            f"style `{spec.prompt_style.value}`; the chat template that it was trained with lies beside it.",
            "",
            f"Trained on {rows.used} of {rows.read} rows ({rows.trained_tokens} tokens carry loss; {rows.cut} rows "
            f"were cut and {rows.lost} lost to the length limit), {result.steps} steps of {result.rows_per_step} rows "
            f"on {result.device}, seed {spec.seed}. It holds the weights of step {result.kept_step}.",
            "",
            "## Losses",
            _table("loss", "nats a token", losses),
            "",
            "## Settings",
            _table("setting", "value", _settings(spec.lora, spec.training)),
            "",
            "## Hashes",
            _table("of", "hash", hashes),
            "",
            _versions(card),
            "",
        ]
    )


def _table(name: str, value: str, rows: Mapping[str, object]) -> str:
    return markdown_table([name, value], [[key, str(cell)] for key, cell in rows.items()])


def _settings(lora: LoraSettings, training: TrainingSettings) -> dict[str, object]:
    listed = {f"LoRA {name}": value for name, value in lora.model_dump(mode="json").items()}
    return {name.replace("_", " "): value for name, value in (listed | training.model_dump(mode="json")).items()}


def _versions(card: AdapterCard | MergeCard) -> str:
    listed = ", ".join(f"{name} {version}" for name, version in card.versions.items())
    return f"Made with {listed}" + (f"; commit {card.git_commit}." if card.git_commit else ".")
