"""Supervised fine-tuning, in chapters: seed, tokenizer, data, what there is already, model, trainer, train, save.

LoRA (Hu et al. 2021) or QLoRA (Dettmers et al. 2023) with peft and trl, loss on the assistant's tokens alone. On CPU
the same spec gives the same adapter to the last bit, interrupted or not.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swap_assets.backends.hub.readme import write_adapter_readme
from swap_assets.backends.methods.checkpoints import Checkpoints, finished, identity, note_finished
from swap_assets.backends.methods.data import TrainingData
from swap_assets.backends.methods.session import Session
from swap_assets.backends.models import provenance
from swap_assets.backends.models.local_model import load_tokenizer
from swap_assets.backends.models.provenance import ADAPTER_CARD, AdapterCard
from swap_assets.backends.processes.launching import is_first_process
from swap_assets.backends.processes.reporting import Reporter, duration
from swap_assets.backends.processes.specs import TrainResult, TrainSpec
from swap_assets.backends.store.artefacts import whole_folder
from swap_assets.backends.tracking.recording import record_training, tracked_training

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


LIBRARIES = ("trl.trainer.sft_trainer", "peft", "datasets")


def train(spec: TrainSpec, *, folder: Path, reporter: Reporter) -> TrainResult:
    """Train the adapter that a spec describes into `spec.output` and return what came of it.

    Started again after an interruption it goes on from the last whole checkpoint in `folder`. A training that had been
    finished with the same settings, data, base and code is not repeated.

    Raises:
        MaskError: rows without trained tokens. TemplateError: the model's template marks no assistant text.
        ModelUnavailableError: no such base model. ExamplesError: the file of examples is missing, empty or malformed.
        CheckpointError: the checkpoint in `folder` is another training's, or one cannot be written.
        DoesNotFitError: memory does not suffice for a single row with gradient checkpointing.
    """
    from transformers import set_seed

    began, first = time.monotonic(), is_first_process()
    reporter = reporter if first else Reporter(write=lambda _: None)
    set_seed(spec.seed)
    tokenizer = load_tokenizer(spec.weights)
    data = TrainingData(spec, tokenizer)
    data.report(reporter)
    same = identity(spec, data.hashes)
    if done := finished(folder, spec.output, same):
        reporter.line(f"adapter {done.adapter_hash} is there already, trained with the same settings, data and code")
        return done
    checkpoints = Checkpoints(folder / "checkpoints", same)
    last = checkpoints.last()
    with tracked_training(spec, data.hashes, same, folder=folder, active=first) as run:
        session = Session(spec, data, tokenizer, reporter, run=run, checkpoints=checkpoints, last=last)
        session.train()
        if first:
            _save(spec, session.trainer, tokenizer, data.hashes)
        session.trainer.accelerator.wait_for_everyone()  # all of them read what the first has written
        result = session.result(total_seconds=time.monotonic() - began)
        record_training(run, result)
    if first:
        write_adapter_readme(result)
        note_finished(folder, same, result)
        checkpoints.clear()
    reporter.line(f"adapter {result.adapter_hash} after {result.steps} steps, {duration(result.seconds)} of training")
    return result


def _save(spec: TrainSpec, trainer: Any, tokenizer: PreTrainedTokenizerBase, hashes: dict[str, str]) -> None:
    with whole_folder(spec.output) as folder:
        trainer.model.save_pretrained(str(folder), safe_serialization=True)
        tokenizer.save_pretrained(str(folder))
        card = AdapterCard(
            spec=spec,
            **{name: hashes[name] for name in ("base_hash", "dataset_hash", "prompt_hash")},
            adapter_hash=provenance.adapter_hash(folder),
            versions=provenance.versions(),
            git_commit=provenance.git_commit(),
        )
        (folder / ADAPTER_CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
