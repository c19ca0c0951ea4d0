"""Names that would leave their folder, part a key or break a line are refused when the experiment file is read."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.domain.experiment.experiment import ExperimentError, parse_experiment

FILE = Path(__file__).parents[1] / "data" / "experiment.yaml"
BAD_KEYS = (
    "", ".", "..", "a\0b", "a\nb", "a\x1b[31mb", "a__b", "a|b", "a...b", "a/b", "../../x", ".hidden", "-rf", "a,b",
    "a b", "a\u202eb", "all", "x" * 61, "é" * 31,
)  # fmt: skip


@pytest.fixture
def data() -> dict[str, Any]:
    load_experiment(FILE)
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def refused(data: dict[str, Any], *path: str, value: Any, place: str) -> None:
    changed = copy.deepcopy(data)
    inner = changed
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
    inner[path[-1]] = value
    with pytest.raises(ExperimentError) as caught:
        parse_experiment(changed)
    told = str(caught.value)
    assert place in told and "\n" not in told and "\0" not in told and len(told) < 400, told


@pytest.mark.parametrize("key", BAD_KEYS)
@pytest.mark.parametrize("section", ["models", "scales"])
def test_a_key_that_cannot_be_a_folder_or_a_partition_is_refused(data, section, key):
    entry = next(iter(data[section].values()))
    refused(data, section, key, value=entry, place=section)


@pytest.mark.parametrize("key", ["../../x", "", "..", "a\0b", "a\nb", "a/b", "a|b", "a b"])
def test_an_approach_or_an_adapter_that_would_leave_its_folder_is_refused(data, key):
    name, approach = next(iter(data["approaches"].items()))
    refused(data, "approaches", key, value=approach, place="name")
    adapters = {key: next(iter(approach["adapters"].values()))}
    refused(data, "approaches", name, "adapters", value=adapters, place="name")
    model = next(iter(data["models"]))
    refused(data, "models", model, "approaches", name, value={"adapters": adapters}, place=f"models.{model}")


@pytest.mark.parametrize("name", ["../../x", "", "..", "a\0b", "a\n", "a/b", "A b"])
def test_an_experiment_cannot_be_called_so(data, name):
    refused(data, "name", value=name, place="name")


@pytest.mark.parametrize("storage", ["", " ", "a\0b", "a\nb"])
def test_a_storage_that_is_no_folder_is_refused(data, storage):
    refused(data, "storage", value=storage, place="storage")


@pytest.mark.parametrize("name", ["../..", "a/..", "./x", "org/na--me", "org/x y", "org/{model}/x", "org/", "o\n/x"])
def test_a_repository_that_is_none_is_refused(data, name):
    refused(data, "publish", value={"repo_id": name}, place="publish")
    if "{" not in name:
        refused(data, "models", "m", value={"hub_id": name}, place="models.m")
        refused(data, "source", value={"kind": "hub", "dataset": name}, place="source")


def test_a_file_of_the_hub_outside_its_repository_is_refused(data):
    refused(data, "source", value={"kind": "hub", "files": {"a": "../../etc/passwd"}}, place="source")
    refused(data, "source", value={"kind": "hub", "revision": "../x"}, place="source")


def test_a_repository_that_a_models_name_would_spoil_is_refused(data):
    entry = next(iter(data["models"].values()))
    data["models"]["a:b"] = entry
    refused(data, "publish", value={"repo_id": "org/agent-{model}"}, place="publish.repo_id")
    parse_experiment({**data, "publish": {"repo_id": "org/agent-{scale}"}})


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://x", "http://", "javascript:1", "//x", "http://a b"])
def test_only_web_addresses_are_asked(data, address):
    hosted = {"key": "big", "provider": "openai", "model": "m", "base_url": address}
    refused(data, "hosted_model", value=hosted, place="hosted_model: base_url")
    model = next(iter(data["models"]))
    refused(data, "models", model, "vllm", value={"base_url": address}, place=f"models.{model}")
