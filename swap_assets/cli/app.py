"""The command line's table of contents: every command is registered here, and nothing else happens here."""

import typer

from swap_assets.backends.store.experiment_file import fill_environment
from swap_assets.cli.demo import demo
from swap_assets.cli.environment import ui, validate
from swap_assets.cli.materialize import materialize
from swap_assets.cli.prepare import doctor, init, new, plan, profile
from swap_assets.cli.report import approve, explain, reject, report
from swap_assets.cli.score import diff, score

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False,
                  help="Can a fine-tuned small model take over from the hosted LLM? Ask with evidence.")  # fmt: skip
app.callback()(fill_environment)
for command in (
    demo, new, init, profile, plan, doctor, materialize, score, diff, explain, approve, reject, report, ui, validate,
):  # fmt: skip
    app.command()(command)


def main() -> None:
    """Run the `swap-assets` command."""
    app()
