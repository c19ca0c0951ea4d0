"""`swap-assets profile FILE`: what is in a file of conversations, before anybody trains or tests on it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from swap_assets.backends.datasets.loading import SourceError, load_source
from swap_assets.cli.environment import fail
from swap_assets.domain.experiment.sources import LoadedSource, LocalSource
from swap_assets.domain.profile import profile_markdown, profile_source
from swap_assets.domain.splits.leakage_index import LeakageIndex, repetitions

_TOLD_EVERY = 500  # rows between two updates of the count on the terminal
_MANY_ROWS = 20_000  # from here on looking for near-duplicates takes more than ten seconds


def profile(
    files: Annotated[
        list[Path],
        typer.Argument(help="JSON, JSON Lines or Parquet, gzipped or not: Hermes, glaive, OpenAI logs, BFCL"),
    ],
    svg: Annotated[Path | None, typer.Option(help="also draw labels and lengths into this SVG file")] = None,
    against: Annotated[
        Path | None, typer.Option(help="the leakage index of an experiment: name the rows that repeat its test rows")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print the numbers as JSON")] = False,
) -> None:
    """Print counts per label, repairs, duplicates and lengths; what can't be read is counted by its reason."""
    try:
        loaded = load_visibly(LocalSource(path=tuple(map(str, files))))
    except SourceError as error:
        raise fail(str(error)) from None
    made = profile_source(loaded, look_for_near_duplicates=loaded.rows_in < _MANY_ROWS)
    typer.echo(made.model_dump_json(indent=2) if json else profile_markdown(made), nl=json)
    if svg is not None:
        from swap_assets.backends.datasets.plots import profile_svg

        svg.write_text(profile_svg(made), encoding="utf-8")
    if against is not None:
        _tell_repetitions(against, loaded)


def _tell_repetitions(index_file: Path, loaded: LoadedSource) -> None:
    """Print which rows repeat a test row; any makes the command end with code 1, so that a script can stop there."""
    try:
        index = LeakageIndex.model_validate_json(index_file.read_bytes())
    except (OSError, ValueError):
        raise fail(
            f"{index_file} is no leakage index; it lies in the experiment's folder under work/leakage_index, named "
            "after the scale, once dataset_split has been materialised"
        ) from None
    found = repetitions(index, loaded.conversations)
    for item in found:
        told = f"{item.conversation_id} repeats test row {item.test_id} (similarity {item.similarity:.2f})"
        typer.echo(told, err=True)
    counts = f"{len(found)} of {len(loaded.conversations)} rows repeat one of {len(index.fingerprints)} test rows"
    typer.echo(counts, err=True)
    if found:
        raise typer.Exit(1)


def load_visibly(source: LocalSource) -> LoadedSource:
    """Load a source with a count of rows on the terminal while it lasts.

    Raises:
        SourceError: the source can't be used; the message is one sentence that says what to do.
    """
    with Console(stderr=True).status("reading") as status:

        def tell(rows: int) -> None:
            if rows % _TOLD_EVERY == 0:
                status.update(f"{rows:,} rows read")

        return load_source(source, progress=tell)
