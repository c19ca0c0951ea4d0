"""The ways to train that the benchmark compares; each runs in a process of its own, on the same rows and model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.training_models import make_model
from benchmarks.training_rows import ROWS_FILE
from benchmarks.training_trainers import Rows, StepClock, our_trainer, peak_mb, plain_trainer
from swap_assets.backends.methods.batches import BatchPlan
from swap_assets.backends.processes.specs import TrainSpec, Weights
from swap_assets.domain.experiment.recipes import LoraSettings, TrainingSettings
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES


class Way(NamedTuple):
    """One way to train; `plan` says how the rows of a step pass through the model, None leaves it to the project."""

    label: str
    plan: BatchPlan | None = None  # ours alone chooses
    ours: bool = False
    packing: bool = False


class Job(NamedTuple):
    """What one process is to do."""

    way: Way
    folder: Path  # rows and tokenizer
    shape: str
    quantisation: str
    device: str
    batch: int  # rows at once, by the recipe
    accumulation: int
    max_length: int
    learning_rate: float
    epochs: int = 1
    threads: int = 1


class Measured(NamedTuple):
    """What came of one way; seconds are processor time on CPU and real time on a card."""

    rows: int  # that were trained on; packed ones count as one
    told: int  # rows of which the way said that the cap took their whole answer
    losses: tuple[float, ...]  # one each step
    seconds: tuple[float, ...]  # one each step of the last epoch
    peak_mb: int
    start_mb: int  # before the first step
    plan: BatchPlan


class OutOfMemory(NamedTuple):
    """What is measured where memory does not suffice."""

    plan: BatchPlan


def measure(job: Job, turn: Callable[[], None]) -> Measured | OutOfMemory:
    """Train one way to the end; `turn` is called before each step and returns when the step may be taken."""
    import datasets
    from accelerate.utils.memory import should_reduce_batch_size

    from swap_assets.backends.models.local_model import limit_threads, load_tokenizer, quiet_libraries

    quiet_libraries()
    datasets.disable_progress_bars()
    limit_threads(job.threads)
    spec = spec_of(job)
    rows = Rows(spec, load_tokenizer(spec.weights))
    plan = job.way.plan or rows.plan(job.device)
    clock = StepClock(job.device, turn)
    try:
        model = make_model(job.shape, device=job.device, quantisation=job.quantisation)
        trainer = (our_trainer if job.way.ours else plain_trainer)(spec, rows, model, plan, job.folder)
        trainer.add_callback(clock.callback())
        trainer.train()
    except Exception as error:
        if not should_reduce_batch_size(error):
            raise
        return OutOfMemory(plan)
    return Measured(
        rows=len(trainer.train_dataset),
        told=rows.counts.lost if job.way.ours else 0,
        losses=tuple(entry["loss"] for entry in trainer.state.log_history if "loss" in entry),
        seconds=tuple(clock.seconds[-len(clock.seconds) // job.epochs :]),
        peak_mb=peak_mb(job.device),
        start_mb=clock.start_mb,
        plan=plan,
    )


def spec_of(job: Job) -> TrainSpec:
    """Return the training as the project describes it: the paper approach without dropout, so that losses agree."""
    return TrainSpec(
        candidate_id="benchmark",
        weights=Weights(source=str(job.folder.resolve()), dtype="float32" if job.device == "cpu" else "bfloat16"),
        data_file=job.folder / ROWS_FILE,
        answer_format=HERMES,
        prompt_style=PromptStyle.HERMES,
        lora=LoraSettings(r=16, alpha=32, dropout=0.0),
        training=TrainingSettings(
            batch_size=job.batch,
            gradient_accumulation=job.accumulation,
            learning_rate=job.learning_rate,
            epochs=job.epochs,
            max_length=job.max_length,
            scheduler="constant",
            quantisation="nf4" if job.quantisation == "nf4" else "none",
            packing=job.way.packing,
        ),
        threads=job.threads,
        output=job.folder / "adapter",
    )
