"""`swap-assets explain`: why a decision fell as it did, what it still needs, and what to type next."""

import dataclasses
import os
from typing import Annotated

import typer

from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.evidence import read_state
from swap_assets.backends.store.experiment_file import storage_root
from swap_assets.cli.environment import Config, dagster_environment, experiment_or_exit, fail
from swap_assets.domain.gates.registry import decisions
from swap_assets.domain.gates.registry import explain as explained
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.state import State

Subject = Annotated[
    str, typer.Argument(help="scale_up_decision:SCALE, fine_tune_decision:MODEL|SCALE or release_decision:MODEL|SCALE")
]


def explain(decision: Subject, config: Config = None) -> None:
    """Print a decision's rule, evidence, verdict, the rows it still needs, and the next command."""
    found, state = decision_named(decision, config)
    if found.action == "release":
        state = _with_what_was_said_in_the_ui(state, config)
    typer.echo(explained(found, state))


def _with_what_was_said_in_the_ui(state: State, config: Config) -> State:
    os.environ.update(dagster_environment(config))
    import dagster as dg  # takes a second, and reads the experiment that the environment names

    from swap_assets.defs.approval import reported

    with dg.DagsterInstance.get() as instance:
        return dataclasses.replace(state, approvals={**state.approvals, **reported(instance, state)})


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
        raise fail(f"{name} for {partition} has not been made yet: materialise {name} at '{partition}'")
    return found, state
