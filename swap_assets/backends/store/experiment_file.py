"""Finding and reading the experiment file (SWAP_CONFIG, or `swap.yaml` of this folder) and the `.env` beside it.

A file may say `extends: ../demo/swap.yaml` and then holds only what differs from that one. `.env` holds keys and
addresses, and never which experiment a command works on: Dagster's own commands read it in their working folder and let
every line win, the empty ones too. Ours fill in what is not set, and start Dagster in the folder of its records, where
no `.env` lies; SWAP_FOLDER names the folder that they were called in, to which the definitions go back.
"""

import contextlib
import json
import os
import re
import shlex
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from swap_assets.domain.experiment.experiment import Experiment, ExperimentError, laid_over, parse_experiment
from swap_assets.domain.gates.gate import materialize
from swap_assets.domain.keys import partition_of

CONFIG_VARIABLE = "SWAP_CONFIG"
DEFAULT_FILE = "swap.yaml"
FOLDER_VARIABLE = "SWAP_FOLDER"
HOME_VARIABLE = "DAGSTER_HOME"
_OF_THE_COMMAND = (CONFIG_VARIABLE, HOME_VARIABLE)


def experiment_path() -> Path:
    """Return the absolute path of the experiment file in force."""
    return Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_FILE).expanduser().resolve()


def pasteable(text: str, file: Path | None = None) -> str:
    """Complete the commands in a text with `--config FILE`, where the experiment is not this folder's swap.yaml."""
    path, here = (file or experiment_path()).resolve(), Path.cwd()
    if path == here / DEFAULT_FILE:
        return text
    named = shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
    return re.sub(r"\bswap-assets (materialize|approve|explain|plan|report|ui)\b", rf"\g<0> --config {named}", text)


def command_for(path: Path) -> str:
    """Return the command that writes a stored value's file again; it lies at ASSET/PARTITION by name."""
    return pasteable(materialize(path.parent.name, partition_of(path.stem)))


@lru_cache(maxsize=8)
def load_experiment(path: Path | None = None) -> Experiment:
    """Read and check an experiment file; ExperimentError where it is missing, is not YAML, or does not fit."""
    where = (path or experiment_path()).resolve()
    try:
        return _with_contexts(parse_experiment(_read(where)))
    except ExperimentError as error:
        named = str(where) in str(error)
        raise ExperimentError(str(error) if named else f"experiment file {where.name}: {error}") from None


def _with_contexts(experiment: Experiment) -> Experiment:
    """Return the experiment with what the config.json of local folders says of how many tokens a model takes."""
    models = dict(experiment.models)
    for name, entry in models.items():
        if entry.path and not entry.context:
            with contextlib.suppress(OSError, ValueError):  # the checks of `doctor` say what a folder lacks
                config = json.loads((Path(entry.path).expanduser() / "config.json").read_text(encoding="utf-8"))
                known = (config.get("text_config") or config).get("max_position_embeddings") or 0
                models[name] = entry.model_copy(update={"context": known})
    return experiment.model_copy(update={"models": models})


def _read(where: Path, seen: tuple[Path, ...] = ()) -> Any:
    """Return a file's plain data, laid over that of the file that it extends."""
    try:
        text = where.read_text(encoding="utf-8")
        tree, data = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        wanted = f", which {seen[-1]} extends" if seen else ""
        ways = (
            f"set {CONFIG_VARIABLE} to a file or run where {DEFAULT_FILE} lies (`swap-assets new FOLDER` lays one down)"
        )
        advice = "correct the path there" if seen else ways
        raise ExperimentError(f"cannot read the experiment file {where}{wanted} ({reason}); {advice}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise ExperimentError(f"the experiment file {where} is not valid YAML{place}; correct it there") from None
    if twice := _given_twice(tree):
        raise ExperimentError(f"the experiment file {where}: {twice}")
    if not (isinstance(data, dict) and "extends" in data):
        return data
    below = (where.parent / str(data.pop("extends"))).resolve()
    if below in (*seen, where):
        raise ExperimentError(f"the experiment file {where} extends itself through {below}; take one extends out")
    return laid_over(_read(below, (*seen, where)), data)


def _given_twice(tree: yaml.Node | None) -> str:
    """Say which key stands twice in one mapping, "" where none does; YAML itself lets the last one win in silence."""
    waiting, seen = [tree], set[int]()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:  # an alias leads to a node that was looked at
            continue
        seen.add(id(node))
        lines: dict[str, int] = {}
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            waiting.append(value)
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines:
                return f"'{name}' stands twice, at lines {lines[name]} and {line}; put what belongs to it in one place"
            lines[name] = line
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
    return ""


def storage_root(experiment: Experiment) -> Path:
    """Return the absolute folder of an experiment's artefacts; a relative one lies under the current folder."""
    return Path(experiment.storage).expanduser().resolve()


def env_file() -> dict[str, str]:
    """Return what `.env` of this folder sets, without its empty lines."""
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(Path.cwd() / ".env").items() if value}


def fill_environment() -> None:
    """Set what `.env` sets and the environment does not; what a command works on is left to the command."""
    for name, value in env_file().items():
        if name not in _OF_THE_COMMAND and not os.environ.get(name):
            os.environ[name] = value


def disagreement(ours: Mapping[str, str]) -> str:
    """Say where `.env` names another path than the command for the same variable, "" where it does not."""
    for name, theirs in env_file().items():
        if name in ours and Path(theirs).expanduser().resolve() != Path(ours[name]).resolve():
            return (
                f".env sets {name} to {theirs} and this command works with {ours[name]}; take that line out of .env "
                f"and name the experiment in the command, by --config or {CONFIG_VARIABLE}"
            )
    return ""


def enter_folder() -> None:
    """Go where our command was called; ExperimentError where Dagster took what it is to name from `.env`."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        os.chdir(folder)
        return
    for name, value in env_file().items():
        if name in _OF_THE_COMMAND and os.environ.get(name) == value:
            raise ExperimentError(
                f".env sets {name} to {value}, which Dagster lets win over what a command names; take that line out "
                f"of .env and write {name}={value} before the command where you mean it"
            )
