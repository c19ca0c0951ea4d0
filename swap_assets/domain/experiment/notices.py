"""What a source said when it was read, kept for the first lines of every report."""

from swap_assets.domain.experiment.sources import LoadedSource
from swap_assets.domain.model import Frozen


class Notices(Frozen):
    """What the source said when it was read."""

    warning: str = ""
    source: str = ""

    @classmethod
    def of(cls, loaded: LoadedSource) -> "Notices":
        """Take the notices of a source that was read."""
        read = f"{loaded.rows_in} rows, {len(loaded.conversations)} kept, {len(loaded.quarantined)} quarantined"
        return cls(warning=loaded.first_line_warning, source="; ".join((read, *loaded.notes)))
