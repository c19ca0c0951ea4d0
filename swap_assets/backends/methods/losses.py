"""The loss of a batch, computed only where it lies, and that of the token that ends an answer by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swap_assets.backends.methods.data import IGNORED

if TYPE_CHECKING:
    import torch


class EndLoss:
    """The mean loss of the token that ends an answer: a mean over all tokens hides one that is never learnt."""

    def __init__(self, token: int) -> None:
        self.token, self._sum, self._count = token, 0.0, 0

    def add(self, losses: torch.Tensor, wanted: torch.Tensor) -> None:
        """Add a batch's losses and the tokens that they are of, both (tokens,)."""
        ends = losses.detach()[wanted == self.token]
        self._sum, self._count = self._sum + float(ends.sum()), self._count + len(ends)

    def taken(self) -> float | None:
        """Return the mean since this was last asked, None where no answer ended."""
        mean = self._sum / self._count if self._count else None
        self._sum, self._count = 0.0, 0
        return mean


def answer_loss(model: Any, inputs: dict[str, Any], *, items: Any = None, ends: EndLoss | None = None) -> torch.Tensor:
    """Return the summed cross entropy of a batch over `items` tokens (the optimiser step's), else over its own.

    `ends` is told of each token's. The model is a causal one whose forward takes `logits_to_keep`. Inputs are
    `input_ids`, `labels`, and `attention_mask` or (flattened rows) `position_ids`, each (rows, tokens).
    """
    from torch.nn.functional import cross_entropy

    targets = inputs["labels"][:, 1:]
    kept = (targets != IGNORED).any(dim=0).nonzero().squeeze(1)
    answer = model(
        input_ids=inputs["input_ids"],
        attention_mask=inputs.get("attention_mask"),
        position_ids=inputs.get("position_ids"),
        use_cache=False,
        logits_to_keep=kept,
    )
    wanted = targets[:, kept].flatten()
    losses = cross_entropy(answer.logits.flatten(0, 1).float(), wanted, reduction="none", ignore_index=IGNORED)
    if ends:
        ends.add(losses, wanted)
    return losses.sum() / (items if items is not None else (wanted != IGNORED).sum().clamp(min=1))
