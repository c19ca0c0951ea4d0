"""`swap-assets explain`: why a decision fell as it did, what it still needs, and what to type next."""

import os
from pathlib import Path
from typing import Annotated

import typer

from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.evidence import Evidence
from swap_assets.backends.store.experiment_file import storage_root
from swap_assets.cli.environment import Config, dagster_environment, experiment_or_exit, fail
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.judging.approval import Approval
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.judging.explanation import explain as explained
from swap_assets.domain.keys import model_and_scale, partition_key

Subject = Annotated[
    str, typer.Argument(help="scale_up_decision:SCALE, fine_tune_decision:MODEL|SCALE or release_decision:MODEL|SCALE")
]
_NAMES = ("fine_tune_decision", "scale_up_decision", "release_decision")


def explain(decision: Subject, config: Config = None) -> None:
    """Print a decision's rule, evidence, verdict, the rows it still needs, and the next command."""
    found, evidence = decision_named(decision, config)
    approval = _word_on(found, evidence, config) if found.name == "release_decision" else None
    stale = evidence.stale(found)
    required = evidence.experiment.gates.release.approval == "required"
    following = evidence.experiment.next_scale(found.scale)
    typer.echo(explained(found, approval=approval, approval_required=required, stale=stale, next_scale=following))


def _word_on(found: Decision, evidence: Evidence, config: Config) -> Approval | None:
    """Return the last word on a release; one given in Dagster's UI is looked for where its instance is at hand."""
    if Path("dagster.yaml").exists():
        os.environ.update(dagster_environment(config))
        import dagster as dg  # takes a second, and reads the experiment that the environment names

        from swap_assets.defs.approval import adopt_reported
        from swap_assets.defs.resources import Lab

        with dg.DagsterInstance.get() as instance:
            return adopt_reported(instance, Lab(), found.partition)
    there = evidence.store.exists("release_approval", found.partition, Approval)
    return evidence.store.read("release_approval", found.partition, Approval) if there else None


def decision_named(subject: str, config: Config) -> tuple[Decision, Evidence]:
    """Return a recorded decision and the evidence of its scale; what can't be found ends the command in a sentence."""
    experiment = experiment_or_exit(config)
    name, _, partition = subject.partition(":")
    known = [f"{one}:{key}" for one in _NAMES for key in _partitions(experiment, one)]
    if subject not in known:
        raise fail(f"there is no decision '{subject}'; there may be: {', '.join(known)}")
    evidence = Evidence(experiment, ArtefactStore(storage_root(experiment)), model_and_scale(partition)[1])
    found = evidence.decision(name, partition)
    if found is None:
        raise fail(f"{name} for {partition} has not been made yet: materialise {name} at '{partition}'")
    return found, evidence


def _partitions(experiment: Experiment, name: str) -> list[str]:
    if name == "scale_up_decision":
        return list(experiment.scales)
    return [partition_key(model, scale) for scale in experiment.scales for model in experiment.models]
