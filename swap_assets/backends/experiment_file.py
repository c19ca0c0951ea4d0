"""Finding and reading the experiment file: the one that SWAP_CONFIG names, or `swap.yaml` of this folder."""

import os
from functools import lru_cache
from pathlib import Path

import yaml

from swap_assets.domain.experiment.experiment import Experiment, ExperimentError, parse_experiment

CONFIG_VARIABLE = "SWAP_CONFIG"
DEFAULT_FILE = "swap.yaml"


def experiment_path() -> Path:
    """Return the absolute path of the experiment file in force."""
    return Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_FILE).expanduser().resolve()


@lru_cache(maxsize=8)
def load_experiment(path: Path | None = None) -> Experiment:
    """Read and check an experiment file.

    Raises:
        ExperimentError: it is missing, is not YAML, or does not fit; one sentence that says what to do.
    """
    where = (path or experiment_path()).resolve()
    try:
        data = yaml.safe_load(where.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ExperimentError(
            f"cannot read the experiment file {where} ({reason}); set {CONFIG_VARIABLE} to a file or run where "
            f"{DEFAULT_FILE} lies"
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise ExperimentError(f"the experiment file {where} is not valid YAML{place}; correct it there") from None
    try:
        return parse_experiment(data)
    except ExperimentError as error:
        raise ExperimentError(f"experiment file {where.name}: {error}") from None


def storage_root(experiment: Experiment) -> Path:
    """Return the absolute folder of an experiment's artefacts; a relative one lies under the current folder."""
    return Path(experiment.storage).expanduser().resolve()
