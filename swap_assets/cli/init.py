"""What a team begins with: `swap-assets new FOLDER`, a project, and `init`, an experiment file for its own log.

Neither needs a clone of the repository.
"""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Annotated

import typer
import yaml

from swap_assets.backends.datasets.loading import SourceError
from swap_assets.backends.store.experiment_file import CONFIG_VARIABLE, experiment_path
from swap_assets.cli.environment import PROJECT, fail
from swap_assets.cli.profile import load_visibly
from swap_assets.domain.experiment.experiment import ExperimentError, parse_experiment
from swap_assets.domain.experiment.sources import LocalSource
from swap_assets.domain.profile import ProposedSizes, profile_markdown, profile_source, propose_sizes
from swap_assets.domain.splits.scale_split import TooFewRowsError

_SEED = 42


def init(
    log: Annotated[list[Path], typer.Option("--from", help="the log: OpenAI chat completions, Hermes, glaive or BFCL")],
    out: Annotated[Path, typer.Option(help="the experiment file to write")] = Path("my-agent.yaml"),
    template: Annotated[
        Path | None, typer.Option(help="the experiment file that models, approaches and gates are taken from")
    ] = None,
    force: Annotated[bool, typer.Option(help="replace the file if it is there")] = False,
) -> None:
    """Profile your own log and write an experiment file for it."""
    if out.exists() and not force:
        raise fail(f"{out} is there already; give --force to replace it or --out for another name")
    source = LocalSource(path=tuple(map(str, log)), origin="production")
    try:
        loaded = load_visibly(source)
        proposed = propose_sizes(loaded.conversations, seed=_SEED)
    except (SourceError, TooFewRowsError) as error:
        raise fail(str(error)) from None
    text = _experiment_text(template or _template_in_force(), _name(out), source, proposed)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    typer.echo(profile_markdown(profile_source(loaded)))
    sizes = "; ".join(
        f"{name} {scale.train}/{scale.validation}/{scale.test}" for name, scale in proposed.scales.items()
    )
    typer.echo(f"Wrote {out}: train/validation/test {sizes}, release test {proposed.release_test}.")
    typer.echo(f"Next: set hosted_model to the model that made this log, then  SWAP_CONFIG={out} swap-assets plan")


def _template_in_force() -> Path:
    """Return the experiment file in force, or the package's where none is named and none lies here."""
    here = experiment_path()
    return here if os.environ.get(CONFIG_VARIABLE) or here.exists() else PROJECT / "swap.yaml"


def _name(out: Path) -> str:
    """Return the file's stem as a name that partition keys and folders can hold."""
    return re.sub(r"[^a-z0-9]+", "-", out.stem.lower()).strip("-") or "my-agent"


def _experiment_text(template: Path, name: str, source: LocalSource, proposed: ProposedSizes) -> str:
    """Return the template with its data replaced; everything else, the comments too, stays as it stands.

    Raises:
        typer.Exit: the template can't be read or the result is no experiment file; one sentence was printed.
    """
    try:
        text = template.read_text(encoding="utf-8")
    except OSError as error:
        raise fail(
            f"cannot read the experiment file {template} ({error.strerror}), whose models and gates would be taken; "
            "give --template"
        ) from None
    blocks = {
        "name": name,
        "storage": f".swap/{name}",
        "source": {"kind": "local"} | source.model_dump(mode="json", exclude_defaults=True),
        "scales": {key: sizes.model_dump() for key, sizes in proposed.scales.items()},
        "release_test": proposed.release_test,
    }
    for key, value in blocks.items():
        text = replace_block(text, key, value)
    try:
        parse_experiment(yaml.safe_load(text))
    except (ExperimentError, yaml.YAMLError) as error:
        raise fail(f"{template} is no template for this log: {error}") from None
    return text


def replace_block(text: str, key: str, value: object) -> str:
    """Replace a top-level key of a YAML text with its indented lines; a key that is not there is put at the end."""
    if isinstance(value, dict):  # JSON is YAML too; a line for each entry reads like the file around it
        block = f"{key}:\n" + "".join(f"  {name}: {_json(inner)}\n" for name, inner in value.items())
    else:
        block = f"{key}: {value}\n"
    pattern = re.compile(rf"^{re.escape(key)}:.*\n(?:(?:[ \t].*)?\n)*", re.MULTILINE)
    found = pattern.search(text)
    if found is None:
        return f"{text.rstrip()}\n\n{block}"
    blank = "\n" if found.group(0).endswith("\n\n") else ""
    return text[: found.start()] + block + blank + text[found.end() :]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


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
