"""What is refused before it begins: a merge that nothing lets through, a scale that nobody was let through to."""

import dagster as dg

from swap_assets.defs.resources.store import ExperimentStore
from swap_assets.domain.gates.release import release_refusal
from swap_assets.domain.gates.scale_up import scale_refusal
from swap_assets.domain.judging.decisions import Decision, Override

# The tag of a run that a sensor asked for; it holds the sensor's name.
REQUESTED_BY = "swap/requested_by"


def require_release(store: ExperimentStore, decision: Decision, override: Override | None) -> None:
    """Refuse to merge what the gate, or the person who is asked, does not let through, unless it is overridden."""
    if refusal := release_refusal(decision, override, store.state()):
        raise dg.Failure(description=refusal, allow_retries=False)


def require_admitted(context: dg.AssetExecutionContext, store: ExperimentStore, scale: str) -> None:
    """Refuse to start a further scale for a sensor unless the scale before lets something through; people may."""
    if REQUESTED_BY in context.run.tags and (refusal := scale_refusal(store.state(), scale)):
        raise dg.Failure(description=refusal, allow_retries=False)
