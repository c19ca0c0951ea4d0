"""The rows of a training shared by several processes: none of them counts twice. Mixed into TRL's trainer.

So that all processes get equally many batches, accelerate fills the epoch's last round with rows from its beginning.
Those rows would be trained once more than the recipe says; here they carry no loss.
"""

from __future__ import annotations

from typing import Any

from swap_assets.backends.methods.masking import IGNORED


class SharesRows:
    """A trainer that ignores the rows with which accelerate fills the last round of an epoch."""

    # Of the transformers trainer that this is mixed into.
    accelerator: Any
    args: Any

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: Any) -> Any:
        state, shared = self.accelerator.gradient_state, self.accelerator.num_processes
        if shared > 1 and batch_samples and state.end_of_dataloader and state.remainder > 0:
            size = self.args.per_device_train_batch_size
            own = own_rows(state.remainder, process=self.accelerator.process_index, size=size)
            ignore_rows_after(batch_samples[-1], own)
        return super()._get_num_items_in_batch(batch_samples, device)  # type: ignore[misc]


def own_rows(remainder: int, *, process: int, size: int) -> int:
    """Return how many rows of a process's part of the last round are the epoch's own.

    Args:
        remainder: The rows that are left for the last round, of all processes together.
        process: The process's number, from 0.
        size: Rows that go through the model at once.
    """
    return min(max(remainder - process * size, 0), size)


def ignore_rows_after(batch: dict[str, Any], rows: int) -> None:
    """Take the loss from all but the first `rows` rows of a batch: padded ones (rows, tokens) or flattened into one."""
    labels = batch["labels"]
    if "attention_mask" in batch or rows == 0:
        labels[rows:] = IGNORED
        return
    starts = (batch["position_ids"][0] == 0).nonzero().squeeze(1).tolist()
    if rows < len(starts):
        labels[:, starts[rows] :] = IGNORED
