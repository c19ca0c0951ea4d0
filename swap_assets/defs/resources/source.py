"""Where the conversations come from, and how long they are for each model's own tokenizer."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from swap_assets.backends.datasets.loading import SourceError, load_sources
from swap_assets.backends.datasets.views import profile_svg, token_lengths
from swap_assets.backends.processes.spec_building import base_weights
from swap_assets.defs.resources.store import ExperimentStore, explained
from swap_assets.domain.experiment.sources import LoadedSource
from swap_assets.domain.model import Conversation
from swap_assets.domain.profile import DatasetProfile, LengthProfile


class ConversationSource(dg.ConfigurableResource):
    """The sources that the experiment file names."""

    store: dg.ResourceDependency[ExperimentStore]

    def load(self) -> LoadedSource:
        """Read the experiment's conversations."""
        with explained(SourceError):
            return load_sources(self.store.experiment.all_sources)

    def token_lengths(self, conversations: Sequence[Conversation]) -> list[LengthProfile]:
        """Measure rows in tokens of each model whose tokenizer is a local folder or in the hub's cache."""
        experiment, found = self.store.experiment, []
        for key, entry in experiment.models.items():
            if tokenizer := self._tokenizer_file(key):
                limit = experiment.longest_row(key)
                found.append(token_lengths(tokenizer, conversations, name=key, style=entry.prompt_style, limit=limit))
        return found

    def draw(self, profile: DatasetProfile) -> str:
        """Draw a profile as SVG."""
        return profile_svg(profile)

    def _tokenizer_file(self, model: str) -> Path | None:
        weights = base_weights(self.store.experiment, model)
        local = Path(weights.source) / "tokenizer.json"
        if local.is_file():
            return local
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(weights.source, "tokenizer.json", revision=weights.revision or None)
        return Path(cached) if isinstance(cached, str) else None
