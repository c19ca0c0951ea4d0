"""`swap-assets new FOLDER`: a project of one's own to begin in, without a clone of the repository."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from swap_assets.cli.environment import PROJECT, fail


def new(folder: Annotated[Path, typer.Argument(help="where to lay the files; it is made if it is not there")]) -> None:
    """Lay down swap.yaml, workspace.yaml, dagster.yaml and .env.example."""
    wanted = sorted(PROJECT.iterdir())
    there = [file.name for file in wanted if (folder / file.name).exists()]
    if there:
        raise fail(f"{folder} holds {', '.join(there)} already; name another folder, or move those files away")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise fail(f"cannot make the folder {folder} ({error.strerror}); name another one") from None
    for file in wanted:
        shutil.copyfile(file, folder / file.name)
    typer.echo(f"Laid down in {folder}: {', '.join(file.name for file in wanted)}.")
    typer.echo(f"Next: cd {folder}, set hosted_model and models in swap.yaml, then  swap-assets doctor")
