"""A track's training and validation examples at one scale, as one value."""

from swap_assets.domain.model import Frozen, content_hash
from swap_assets.domain.tracks import TrainingExample


class TrackData(Frozen):
    """What adapters of one track learn from, and what their loss is checked on."""

    train: tuple[TrainingExample, ...]
    validation: tuple[TrainingExample, ...]

    def content(self) -> str:
        """Hash the examples, in order."""
        return content_hash(self.train, self.validation)
