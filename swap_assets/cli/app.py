"""The command line's table of contents: every command is registered here, and here errors become one sentence."""

import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import typer

from swap_assets.backends.datasets.files import SourceError
from swap_assets.backends.models.preflight import PreflightError
from swap_assets.backends.processes.supervision import end_children, ending_signals
from swap_assets.backends.store.experiment_file import fill_environment
from swap_assets.backends.store.whole import UnreadableError, full_disk
from swap_assets.cli.demo import demo
from swap_assets.cli.environment import ServiceError, fail, ui, validate
from swap_assets.cli.materialize import SegmentError, materialize
from swap_assets.cli.prepare import doctor, init, new, plan, profile
from swap_assets.cli.report import approve, explain, reject, report
from swap_assets.cli.score import diff, score
from swap_assets.domain.experiment.experiment import ExperimentError
from swap_assets.domain.splits.scale_split import TooFewRowsError

# Their messages are sentences for people, which end a command.
_SENTENCES = (
    ExperimentError,
    PreflightError,
    SegmentError,
    ServiceError,
    SourceError,
    TooFewRowsError,
    UnreadableError,
)
_GRACE_S = 6.0  # for what a command has started, before it is killed


def _in_a_sentence(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def run(**given: Any) -> None:
        try:
            command(**given)
        except _SENTENCES as error:
            raise fail(str(error)) from None
        except OSError as error:
            if full := full_disk(error, Path.cwd()):
                raise fail(full) from None
            raise

    return run


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False,
                  help="Can a fine-tuned small model take over from the hosted LLM? Ask with evidence.")  # fmt: skip
app.callback()(fill_environment)
for command in (
    demo, new, init, profile, plan, doctor, materialize, score, diff, explain, approve, reject, report, ui, validate,
):  # fmt: skip
    app.command()(_in_a_sentence(command))


def main() -> None:
    """Run the `swap-assets` command."""
    for number in ending_signals():
        signal.signal(number, _stop)
    app()


def _stop(number: int, _: FrameType | None) -> None:
    """End with all that was started: a run that was asked to end is cancelled, one that is killed is found later."""
    for other in ending_signals():
        signal.signal(other, signal.SIG_IGN)
    end_children(grace_s=_GRACE_S)
    os._exit(128 + number)  # threads that wait for those children would try them again
