"""The trainer's saving: what goes into a checkpoint, and what is taken back from one. Mixed into TRL's trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swap_assets.backends.methods.callback import CurveKeeper
from swap_assets.backends.methods.checkpoints import Checkpoints, Progress
from swap_assets.backends.methods.randomness import StepGuard


class SavesWhole:
    """A trainer that writes its checkpoints through `Checkpoints`: whole or not at all."""

    checkpoints: Checkpoints
    keeper: CurveKeeper
    guard: StepGuard
    resumed_from: tuple[int, ...] = ()
    # Of the transformers trainer that this is mixed into.
    accelerator: Any
    args: Any
    control: Any
    model: Any
    state: Any

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.checkpoints.unfinished)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        from transformers import Trainer

        with self.checkpoints.writing(self.state.global_step):
            # Not TRL's, which writes a model card first.
            Trainer._save_checkpoint(self, model, trial)  # type: ignore[arg-type]
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                self.checkpoints.commit(self._progress())
        self.accelerator.wait_for_everyone()

    def _progress(self) -> Progress:
        return Progress(
            step=self.state.global_step,
            best_step=self.keeper.best_step,
            finished=bool(self.control.should_training_stop),
            seconds=self.keeper.seconds,
            resumed_from=self.resumed_from,
        )

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        # The adapter alone: tokenizer and arguments are the training's own and would be written each time.
        self.model.save_pretrained(output_dir, is_main_process=self.args.should_save, save_embedding_layers=False)

    def save_before_failed_step(self) -> bool:
        """Write a checkpoint of the state before the step that has just failed; False where it cannot be reached."""
        if self.guard.before_step is None or not self.state.global_step:
            return False
        self.guard.before_step.restore()
        self._save_checkpoint(self.model, None)
        return True

    def restore(self, checkpoint: Path) -> None:
        """Take weights and curve of a checkpoint after which nothing is left to train."""
        from transformers import TrainerState

        self.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        self.keeper.begin(self.state.log_history)
        self.load_adapter_weights(checkpoint)

    def load_adapter_weights(self, checkpoint: Path) -> None:
        """Take the adapter's weights of a checkpoint and nothing else."""
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        set_peft_model_state_dict(self.model, load_file(checkpoint / "adapter_model.safetensors"))
