"""Merging an adapter into its 16-bit base, checking that the model still answers as the adapter did; its folders.

Never into a quantised base: merging into 4 bit leaves 4 bit, and the model can score far below its adapter. `merge`
runs in a process of its own. `MergedFolders` is where a candidate's merged models lie, in one of three states:

    STORAGE/work/merged/CANDIDATE/ADAPTER/unproven/   merged, not yet scored again
    STORAGE/work/merged/CANDIDATE/ADAPTER/model/      scored again and no worse than its adapter
    STORAGE/work/merged/CANDIDATE/ADAPTER/blocked/    scored again and worse, kept to look at; the last one only
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swap_assets.backends.engines.generation import read_cases
from swap_assets.backends.engines.local import asked
from swap_assets.backends.engines.transformers import LocalModel
from swap_assets.backends.hub.cards import licence_of
from swap_assets.backends.models import provenance
from swap_assets.backends.models.chat_template import render_prompt
from swap_assets.backends.models.local_model import load_adapted, load_config, load_tokenizer
from swap_assets.backends.models.provenance import (
    ADAPTER_CARD,
    MERGE_CARD,
    AdapterCard,
    MergeCard,
    adapter_card,
    refuse_pickles,
)
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.spec_building import base_weights, generation_spec, merge_spec
from swap_assets.backends.processes.specs import MergeResult, MergeSpec, Weights, write_spec
from swap_assets.backends.serving.saved import save_tokenizer
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.whole import DamagedError, UnreadableError, whole_folder, write_json
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.keys import Candidate, Form
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.weights import Artefact, MergedAdapter

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class MergeError(ValueError):
    """An adapter cannot be merged; the message is one sentence that says why."""


def merge(spec: MergeSpec, *, reporter: Reporter) -> MergeResult:
    """Merge `spec.adapter` into its base, save the model into `spec.output` and compare it with the adapter.

    Raises:
        MergeError: the adapter's folder does not say how it was made, it belongs to another base, or the base is
            stored quantised. ModelUnavailableError: a model is not there.
    """
    began = time.monotonic()
    card = read_card(spec.adapter)
    refuse_quantised(spec.weights)
    try:
        provenance.require_base(card, spec.weights)
    except DamagedError as error:
        raise MergeError(str(error)) from None
    tokenizer = load_tokenizer(spec.weights, padding_side="left")
    prompts = _prompts(spec, card, tokenizer)
    adapted = load_adapted(spec.weights, spec.adapter)
    texts, logits = _sample(adapted, tokenizer, prompts, spec.max_new_tokens)
    merged = adapted.merge_and_unload(safe_merge=True)  # type: ignore[operator]
    merged_hash = _save(spec, card, merged, tokenizer)
    del adapted, merged
    # Measured on what was saved, not on what is in memory: saving is a transformation too.
    saved = load_adapted(spec.weights.model_copy(update={"source": str(spec.output), "revision": ""}), None)
    saved_texts, saved_logits = _sample(saved, tokenizer, prompts, spec.max_new_tokens)
    differences = [float((one - two).abs().max()) for one, two in zip(logits, saved_logits, strict=True)]
    result = MergeResult(
        folder=str(spec.output), merged_hash=merged_hash, adapter_hash=card.adapter_hash, prompt_hash=card.prompt_hash,
        parity_rows=len(prompts), equal_texts=sum(one == two for one, two in zip(texts, saved_texts, strict=True)),
        max_logit_difference=max(differences, default=0.0), total_seconds=round(time.monotonic() - began, 3),
    )  # fmt: skip
    reporter.line(
        f"merged into {spec.output}: {result.equal_texts} of {result.parity_rows} answers equal the adapter's, "
        f"largest logit difference {result.max_logit_difference:.2g}"
    )
    return result


def read_card(adapter: Path) -> AdapterCard:
    """Read how an adapter was made; MergeError where its folder does not say so, or holds other weights."""
    try:
        return adapter_card(adapter, again="train the adapter again")
    except OSError:
        raise MergeError(f"{adapter} has no {ADAPTER_CARD}; train the adapter first") from None
    except UnreadableError as error:
        raise MergeError(str(error)) from None


def refuse_quantised(weights: Weights) -> None:
    """Make sure that the base is stored unquantised; MergeError where it is not, since a merge would stay so."""
    stored = getattr(load_config(weights), "quantization_config", None)
    if not stored:
        return
    settings = stored if isinstance(stored, dict) else stored.to_dict()
    method = settings.get("quant_method", "quantised")
    bits = "4 bit, " if settings.get("load_in_4bit") or settings.get("bits") == 4 else ""
    raise MergeError(
        f"{weights.source} is stored quantised ({bits}{getattr(method, 'value', method)}), and merging into it would "
        "leave it so and can score far below the adapter; name its 16-bit original in the model's entry and train the "
        "adapter on that"
    )


def _prompts(spec: MergeSpec, card: AdapterCard, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    how = (card.spec.answer_format, card.spec.prompt_style, card.spec.system)
    cases = read_cases(spec.cases_files)[: spec.parity_rows] if spec.cases_files else []
    return [render_prompt(tokenizer, asked(case, *how)) for case in cases]


def _sample(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[str], max_new_tokens: int
) -> tuple[list[str], list[torch.Tensor]]:
    import torch

    answers = LocalModel(model, tokenizer, max_new_tokens=max_new_tokens)
    texts, logits = [], []
    for prompt in prompts:
        texts.append(answers.answer([prompt])[0])
        tokens = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).to(model.device)
        with torch.inference_mode():
            logits.append(model(input_ids=tokens["input_ids"]).logits.float().cpu())
    return texts, logits


def _save(spec: MergeSpec, card: AdapterCard, merged: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str:
    """Save the model, its tokenizer and its card whole or not at all, and return the hash of what was saved."""
    with whole_folder(spec.output) as folder:
        merged.save_pretrained(str(folder), max_shard_size=spec.shard_size)
        own = merged.generation_config
        save_tokenizer(folder, tokenizer, card.spec, own.eos_token_id if own else None)
        refuse_pickles(folder)
        merged_hash, made, source = provenance.weights_hash(str(folder)), card.spec, spec.weights.source
        shared = ("answer_format", "prompt_style", "system", "lora", "training", "seed", "datasets")
        merged_card = MergeCard(
            **{name: getattr(card, name) for name in ("base_hash", "adapter_hash", "dataset_hash", "prompt_hash")},
            **{name: getattr(made, name) for name in shared}, **spec.weights.model_dump(include={"revision", "dtype"}),
            candidate_id=spec.candidate_id, base=Path(source).name if Path(source).is_absolute() else source,
            merged_hash=merged_hash, licence=licence_of(made), versions=provenance.versions(),
            git_commit=provenance.git_commit(),
        )  # fmt: skip
        write_json(folder / MERGE_CARD, merged_card)
    return merged_hash


class MergedFolders:
    """The merged models of one candidate, one for each of its adapters; the first stored cases check each merge.

    An untouched base has no adapters, and so nothing to merge.
    """

    def __init__(
        self, experiment: Experiment, store: ArtefactStore, chosen: Candidate, artefacts: Sequence[Artefact],
        cases_files: tuple[Path, ...],
    ) -> None:  # fmt: skip
        self._experiment, self._store, self._cases_files = experiment, store, cases_files
        self.candidate = chosen.model_copy(update={"form": Form.MERGED})
        self.base = base_weights(experiment, chosen.model)
        self._adapters = [item for item in artefacts if item.path]
        self.work = [merge_spec(experiment, store, chosen, item, cases_files) for item in self._adapters]
        self.results: Sequence[MergeResult] = ()

    @property
    def unproven(self) -> list[Artefact]:
        """The merged models that are to answer before they count."""
        return [item._replace(path=spec.output) for item, (spec, _) in zip(self._adapters, self.work, strict=True)]

    def keep(self) -> dict[str, MergedAdapter]:
        """Put the unproven models in their final places and return what lies there."""
        kept = {}
        for item, result in zip(self._adapters, self.results, strict=True):
            folder = _move(Path(result.folder), "model")
            shared = result.model_dump(include=set(MergedAdapter.model_fields))
            kept[item.name] = MergedAdapter.model_validate(shared | {"folder": str(folder)})
            lies = item._replace(path=folder)
            # So that it can be run by hand again.
            write_spec(*generation_spec(self._experiment, self._store, self.candidate, lies, self._cases_files))
        return kept

    def set_aside(self, evaluation: Evaluation) -> list[Path]:
        """Keep blocked models and what they scored out of everybody's way, and return where they lie."""
        moved = [_move(spec.output, "blocked") for spec, _ in self.work]
        for folder in moved:
            write_json(folder.with_name("blocked_evaluation.json"), evaluation)
        return moved


def _move(folder: Path, name: str) -> Path:
    """Rename a folder beside itself; what lay there before goes only when the new one is in place."""
    final, before = folder.with_name(name), folder.with_name(f"{name}.old")
    shutil.rmtree(before, ignore_errors=True)
    if final.exists():
        final.rename(before)
    folder.rename(final)
    shutil.rmtree(before, ignore_errors=True)
    return final
