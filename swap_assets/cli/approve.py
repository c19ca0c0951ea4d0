"""`swap-assets approve` and `reject`: a person's verdict on a release, recorded with the evidence it was given on."""

import os
from typing import Annotated, Literal

import typer

from swap_assets.cli.environment import Config, dagster_environment, fail
from swap_assets.cli.explain import Subject, decision_named
from swap_assets.domain.judging.decisions import Approval

Name = Annotated[str, typer.Option("--by", help="who says so; nothing checks it")]
Reason = Annotated[str, typer.Option("--reason", help="why, for whoever asks in a year")]


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
