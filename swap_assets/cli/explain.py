"""A decision and a person: `swap-assets explain` says why it fell so, `approve` and `reject` are a verdict on it.

The verdict is recorded with the evidence that it was given on.
"""

import dataclasses
import os
from typing import Annotated, Literal

import typer

from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.evidence import read_state
from swap_assets.backends.store.experiment_file import pasteable, storage_root
from swap_assets.cli.environment import Config, dagster_environment, experiment_or_exit, fail
from swap_assets.domain.gates.gate import materialize
from swap_assets.domain.gates.registry import decisions
from swap_assets.domain.gates.registry import explain as explained
from swap_assets.domain.judging.decisions import Approval, Decision
from swap_assets.domain.state import State

Subject = Annotated[
    str, typer.Argument(help="scale_up_decision:SCALE, fine_tune_decision:MODEL|SCALE or release_decision:MODEL|SCALE")
]
Name = Annotated[str, typer.Option("--by", help="who says so; nothing checks it")]
Reason = Annotated[str, typer.Option("--reason", help="why, for whoever asks in a year")]


def explain(decision: Subject, config: Config = None) -> None:
    """Print a decision's rule, evidence, verdict, the rows it still needs, and the next command."""
    found, state = decision_named(decision, config)
    if found.action == "release":  # what was said in the UI counts, too
        os.environ.update(dagster_environment(config))
        import dagster as dg  # takes a second, and reads the experiment that the environment names

        from swap_assets.defs.approval import reported

        with dg.DagsterInstance.get() as instance:
            state = dataclasses.replace(state, approvals={**state.approvals, **reported(instance, state)})
    typer.echo(pasteable(explained(found, state), config))


def decision_named(subject: str, config: Config) -> tuple[Decision, State]:
    """Return a recorded decision and the experiment's state; what can't be found ends the command in a sentence."""
    experiment = experiment_or_exit(config)
    state = read_state(experiment, ArtefactStore(storage_root(experiment)))
    known = [
        f"{name}:{key}"
        for name, entry in decisions().items()
        for scale in experiment.scales
        for key in (state.partitions(scale) if entry.per == "model" else [scale])
    ]
    if subject not in known:
        raise fail(f"there is no decision '{subject}'; there may be: {', '.join(known)}")
    name, _, partition = subject.partition(":")
    found = state.decision(name, partition)
    if found is None:
        command = pasteable(materialize(name, partition), config)
        raise fail(f"{name} for {partition} has not been made yet; make it: {command}")
    return found, state


def approve(decision: Subject, by: Name, reason: Reason, config: Config = None) -> None:
    """Approve a release that passed its gate: it holds for this very evidence and is void when that changes."""
    _record(decision, "approved", by, reason, config)


def reject(decision: Subject, by: Name, reason: Reason, config: Config = None) -> None:
    """Reject a release that passed its gate; nothing is merged until the evidence changes or somebody approves."""
    _record(decision, "rejected", by, reason, config)


def _record(name: str, verdict: Literal["approved", "rejected"], by: str, reason: str, config: Config) -> None:
    found, _ = decision_named(name, config)
    if found.name != "release_decision":
        raise fail(f"{found.name} acts by itself; only a release_decision is approved or rejected")
    if found.action != "release":
        raise fail(f"{found.name} for {found.partition} says {found.action}: there is nothing to approve")
    if not by.strip() or len(reason.strip()) < 3:
        raise fail("give a name (--by) and a reason of at least three letters (--reason)")
    os.environ.update(dagster_environment(config))
    import dagster as dg

    from swap_assets.defs.approval import give_approval
    from swap_assets.defs.resources.store import ExperimentStore

    store = ExperimentStore()
    approval = Approval(
        model=found.model, scale=found.scale, verdict=verdict, by=by.strip(), reason=reason.strip(),
        evidence_hash=found.content(), at=store.now(),
    )  # fmt: skip
    with dg.DagsterInstance.get() as instance:
        give_approval(instance, store, approval)
    typer.echo(f"{found.name} for {found.partition}: {approval.sentence()}")
    typer.echo(f"It holds for this evidence ({approval.evidence_hash}) and is void when that changes.")
