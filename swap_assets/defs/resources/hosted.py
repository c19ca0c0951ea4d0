"""The hosted LLM: asked as the experiment file says, within its pace and budget; what it said is kept."""

from collections.abc import Callable, Mapping, Sequence

import dagster as dg

from swap_assets.backends.engines.hosted import hosted_answers
from swap_assets.backends.models.preflight import PreflightError, require_hosted
from swap_assets.defs.resources.store import ExperimentStore, explained
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.formats.base import Interface, Track
from swap_assets.domain.keys import Candidate, hosted
from swap_assets.domain.predictions import PredictionRecord

# Everything that asks the hosted LLM; its slots are set on the instance (dagster.yaml).
HOSTED_POOL = "hosted_llm"


class HostedLlm(dg.ConfigurableResource):
    """The experiment's hosted model."""

    store: dg.ResourceDependency[ExperimentStore]

    def candidate(self, scale: str) -> Candidate:
        """Return its candidate at a scale."""
        return hosted(self.store.experiment.hosted_model.key, scale)

    def answers(
        self,
        candidate: Candidate,
        cases: Sequence[EvalCase],
        interfaces: Mapping[Track, Interface],
        *,
        purpose: str,
        epoch: str,
        log: Callable[[str], None],
    ) -> dict[Track, list[PredictionRecord]]:
        """Ask every case in each track, through the track's interface; what cannot be asked is refused before."""
        with explained(PreflightError):
            require_hosted(self.store.experiment.hosted_model)
        with explained(RuntimeError):
            return hosted_answers(
                self.store.experiment, self.store.folder, candidate, cases, interfaces,
                purpose=purpose, epoch=epoch, say=log,
            )  # fmt: skip
