"""The record that a merge leaves: which folders hold the merged model, what let it through, and how it scored again."""

from pydantic import Field

from swap_assets.domain.judging.decisions import Contrast
from swap_assets.domain.model import Frozen
from swap_assets.domain.scoring.evaluation import Evaluation


class MergedAdapter(Frozen):
    """One adapter merged into the 16-bit base; `equal_texts` of `parity_rows` answers were the adapter's own."""

    folder: str
    merged_hash: str
    adapter_hash: str
    prompt_hash: str
    parity_rows: int
    equal_texts: int
    max_logit_difference: float


class MergedModel(Frozen):
    """A released candidate as plain weights, or the untouched base, for which there is nothing to merge.

    Each adapter is merged into a folder of its own: the two of the Fledgling pair learned different answer contracts,
    and their sum would be a third model that nobody evaluated. `evaluation` is what the merged weights scored on the
    rows that the adapter had answered; `contrasts` compares the two. `evidence` is the hash of the adapter's
    evaluation.
    """

    candidate_id: str
    base: str = Field(description="hub id and revision, or the folder, of the weights that were merged into")
    dtype: str
    decision: str
    override: str = ""
    adapters: dict[str, MergedAdapter] = Field(default_factory=dict, description="empty for an untouched base")
    evaluation: Evaluation
    evidence: str
    contrasts: tuple[Contrast, ...] = ()

    @property
    def folders(self) -> dict[str, str]:
        """Where each merged adapter lies."""
        return {name: item.folder for name, item in self.adapters.items()}

    def content(self) -> str:
        """Name the weights: the same adapters merged into the same base have the same name."""
        return "-".join(sorted(item.merged_hash for item in self.adapters.values())) or f"base {self.base}"
