"""The command line's table of contents: every command is registered here, and nothing else happens here."""

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Can a fine-tuned small model take over from the hosted LLM? Ask with evidence.",
)


def main() -> None:
    """Run the `swap-assets` command."""
    app()
