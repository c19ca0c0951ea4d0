"""The demo by its decisions: each scale as far as they say, then the release; each segment is a command of Dagster."""

from rich.console import Console
from rich.markup import escape

from swap_assets.backends.store.artefacts import ArtefactStore, file_name
from swap_assets.backends.store.experiment_file import storage_root
from swap_assets.cli.segments import Segment, run_segment, run_together
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import (
    BASELINE_ASSETS,
    COMPARISON_REPORT,
    FINE_TUNE_DECISION,
    MERGED_MODEL,
    RELEASE_DECISION,
    SCALE_UP_DECISION,
    SEALED_ASSETS,
    SLM_BASELINE,
    partition_key,
)

ROOT = ("hermes_conversations", "quarantined_conversations", "dataset_profile")
_OVERRIDE = {"override_reason": "the demo shows how a merge is made", "override_by": "swap-assets demo"}


def by_decisions(experiment: Experiment, environment: dict[str, str], console: Console) -> None:
    """Go from scale to scale while scale_up_decision says so, then decide on each model's release and merge.

    Raises:
        SegmentError: Dagster's command for a segment did not succeed.
    """
    tour = _Tour(experiment, environment, console)
    tour.run(Segment("Conversations", ROOT))
    for scale in experiment.scales:
        for together in segments(experiment, scale):
            run_together(together, tour.run)
        decision = tour.store.read(SCALE_UP_DECISION, scale, Decision)
        following = experiment.next_scale(scale)
        if not following or decision.action != "scale_up":
            break
    if following:
        action = decision.action.replace("_", " ")
        tour.say(f"Scale {following} is not started: {SCALE_UP_DECISION} says {action}.")
    tour.release(scale)


def segments(experiment: Experiment, scale: str) -> list[list[Segment]]:
    """Return the segments of one scale before the release, one list after the other, those of a list side by side."""
    several = len(experiment.models) > 1
    return [
        [Segment(f"Scale {scale}: splits and the LLM", BASELINE_ASSETS, scale)],
        [
            Segment(
                f"{model} at {scale}", _of_model(experiment, model), partition_key(model, scale), label=model * several
            )
            for model in experiment.models
        ],
        [Segment(f"Report and decision of scale {scale}", (COMPARISON_REPORT, SCALE_UP_DECISION), scale)],
    ]


def _of_model(experiment: Experiment, model: str) -> tuple[str, ...]:
    evaluations = experiment.evaluation_assets(*experiment.small_model(model).decoding)
    return (SLM_BASELINE, FINE_TUNE_DECISION, *experiment.adapter_assets(), *evaluations)


class _Tour:
    """Runs segments, each with a log of its own."""

    def __init__(self, experiment: Experiment, environment: dict[str, str], console: Console) -> None:
        self.experiment, self.environment, self.console = experiment, environment, console
        self.store = ArtefactStore(storage_root(experiment))

    def release(self, scale: str) -> None:
        """Decide on each model's release and merge; against the decision once, under an override, which is recorded."""
        keys = {model: partition_key(model, scale) for model in self.experiment.models}
        asked = [Segment(f"Release of {model}?", SEALED_ASSETS, key, label=model) for model, key in keys.items()]
        run_together(asked, self.run)
        merges, overridden = list[Segment](), False
        for model, key in keys.items():
            decision = self.store.read(RELEASE_DECISION, key, Decision)
            released = decision.action == "release"
            if not decision.candidates or (overridden and not released):
                continue
            config = None if released else {"ops": {MERGED_MODEL: {"config": _OVERRIDE}}}
            if not released:
                self.say(f"{model}: {decision.verdict}, so wait; merged under an override all the same, to show one.")
                overridden = True
            merges.append(Segment(f"Merge {model}", (MERGED_MODEL,), key, config, label=model))
        if merges:
            run_together(merges, self.run)
        self.run(Segment("The report again, with every decision", (COMPARISON_REPORT,), scale))

    def run(self, segment: Segment) -> None:
        """Materialise a segment; what Dagster says goes to the experiment's logs."""
        name = file_name(f"{'-'.join(segment.assets[:2])}-{segment.partition}")
        log = self.store.root / "logs" / f"{name}.log"
        run_segment(segment, environment=self.environment, log=log, console=self.console)

    def say(self, text: str) -> None:
        """Print what the demo itself decided."""
        self.console.print(f"  [yellow]{escape(text)}[/]", highlight=False)
