"""`swap-assets explain`: why a decision fell as it did, what it still needs, and what to type next."""

from typing import Annotated

import typer

from swap_assets.backends.artefacts import ArtefactStore
from swap_assets.backends.evidence import Evidence
from swap_assets.backends.experiment_file import storage_root
from swap_assets.cli.environment import Config, experiment_or_exit, fail
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.judging.approval import Approval
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.judging.explanation import explain as explained

Subject = Annotated[
    str, typer.Argument(help="scale_up_decision:SCALE, fine_tune_decision:MODEL|SCALE or release_decision:MODEL|SCALE")
]
_NAMES = ("fine_tune_decision", "scale_up_decision", "release_decision")


def explain(decision: Subject, config: Config = None) -> None:
    """Print a decision's rule, evidence, verdict, the rows it still needs, and the next command."""
    found, evidence = decision_named(decision, config)
    approval = None
    if evidence.store.exists("release_approval", found.partition, Approval):
        approval = evidence.store.read("release_approval", found.partition, Approval)
    current = {item.candidate.id: item.evidence_hash() for item in evidence.everything()}
    changed = [name for name, value in found.hashes.items() if current.get(name) != value]
    stale = f"{changed[0]} has been measured again since, with another result" if changed else ""
    required = evidence.experiment.gates.release.approval == "required"
    text = explained(found, approval=approval, approval_required=required, stale=stale)
    typer.echo(text)


def decision_named(subject: str, config: Config) -> tuple[Decision, Evidence]:
    """Return a recorded decision and the evidence of its scale; what can't be found ends the command in a sentence."""
    experiment = experiment_or_exit(config)
    name, _, partition = subject.partition(":")
    known = [f"{one}:{key}" for one in _NAMES for key in _partitions(experiment, one)]
    if subject not in known:
        raise fail(f"there is no decision '{subject}'; there may be: {', '.join(known)}")
    evidence = Evidence(experiment, ArtefactStore(storage_root(experiment)), partition.split("|")[-1])
    found = evidence.decision(name, partition)
    if found is None:
        raise fail(f"{name} for {partition} has not been made yet: materialise {name} at '{partition}'")
    return found, evidence


def _partitions(experiment: Experiment, name: str) -> list[str]:
    if name == "scale_up_decision":
        return list(experiment.scales)
    return [f"{model}|{scale}" for scale in experiment.scales for model in experiment.models]
