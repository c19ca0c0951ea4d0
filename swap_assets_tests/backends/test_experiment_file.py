"""Reading an experiment file: one that extends another, and what is said where it cannot."""

from pathlib import Path

import pytest

from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.domain.experiment.experiment import ExperimentError
from swap_assets_tests.conftest import EXPERIMENT


def written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "swap.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_that_extends_another_holds_only_what_differs(tmp_path: Path) -> None:
    base = load_experiment(EXPERIMENT)
    huge = "{train: 9, validation: 3, test: 8}"
    text = f"extends: {EXPERIMENT}\nname: other\nscales: {{tiny: {{train: 7}}, huge: {huge}}}"
    other = load_experiment(written(tmp_path, text))
    assert (other.name, other.storage, other.approaches) == ("other", base.storage, base.approaches)
    assert other.scale("tiny") == base.scale("tiny").model_copy(update={"train": 7})
    assert list(other.scales) == [*base.scales, "huge"]


@pytest.mark.parametrize(
    ("below", "above"),
    [
        ("source: {kind: synthetic, generator: {rows: 9}}", "source: {kind: local, path: log.jsonl}"),
        ("source: {kind: synthetic}", "sources: [{kind: local, path: log.jsonl}]"),
        ("models: {little: {hub_id: a/b, gated: true}}", "models: {little: {path: folder}}"),
        ("models: {little: {hub_id: a/b}}", "models: {mine: {extends: little, path: folder}}"),
        ("models: {little: {hub_id: a/b}}", "models: {little: {vllm: {base_url: 'http://a'}}}"),
    ],
)
def test_what_an_entry_has_one_of_takes_the_place_of_what_is_inherited(tmp_path: Path, below: str, above: str) -> None:
    """The error named a key that did not stand in the user's file: `source.local.generator is not a known key`."""
    base = f"extends: {EXPERIMENT}\n{below}"
    written(tmp_path / "base", base.replace("{hub_id", "{engine: {kind: transformers}, miniature: '', hub_id"))
    found = load_experiment(written(tmp_path / "own", f"extends: ../base/swap.yaml\n{above}"))
    assert [each.kind for each in found.all_sources] == ["local" if "source" in above else "synthetic"]
    if "path" in above and "models" in above:
        assert list(found.models.values())[-1].weights == "folder"


def test_a_local_models_context_length_is_the_most_that_is_chosen_for_its_training(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"text_config": {"max_position_embeddings": 1024}}')
    approach = "approaches: {paper: {training: {max_length: 0}}}"
    text = f"extends: {EXPERIMENT}\n{approach}\nmodels: {{little: {{path: {tmp_path / 'model'}}}}}"
    capped = load_experiment(written(tmp_path, text))
    assert capped.length_for([3000] * 20) == 1024 and capped.capped_by(1024) == "little"
    assert capped.length_for([]) == 1024 and capped.capped_by(2048) == ""


def test_a_relative_path_counts_from_the_file_that_says_it(tmp_path: Path) -> None:
    written(tmp_path / "base", f"extends: {EXPERIMENT}\nname: below")
    assert load_experiment(written(tmp_path / "own", "extends: ../base/swap.yaml\nseed: 7")).name == "below"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: nowhere.yaml", "which .*swap.yaml extends .No such file"),
        ("extends: swap.yaml", "extends itself"),
        ("- a\n- b", "must be a mapping"),
        ("name: [", "not valid YAML at line 1"),
        (f"extends: {EXPERIMENT}\nmodels: {{}}\nseed: 7\nmodels: {{}}", "'models' stands twice, at lines 2 and 4"),
        (f"extends: {EXPERIMENT}\nprices:\n  a: 1\n  a: 2", "'a' stands twice, at lines 3 and 4"),
        (f"extends: {EXPERIMENT}\nautomation: {{nightly: every day}}", "the five fields of a cron expression"),
        (f"extends: {EXPERIMENT}\nscals: {{}}", "scals is not a known key"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ExperimentError, match=said) as caught:
        load_experiment(written(tmp_path, text))
    assert "\n" not in str(caught.value)
