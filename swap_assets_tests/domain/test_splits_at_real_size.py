"""The default experiment's sizes on files of the hub's real size, in both revisions."""

from pathlib import Path

import pytest

from swap_assets.backends.datasets.loading import load_source
from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.domain.experiment.sources import LocalSource
from swap_assets.domain.splits.capability_splits import select
from swap_assets.domain.splits.scale_split import split_experiment
from swap_assets.domain.splits.similarity import request_key
from swap_assets_tests.hub_rows import ROWS, write_hub_files

PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def experiment():
    return load_experiment(Path("swap.yaml"))


def _splits(experiment, folder, seed):
    paths = write_hub_files(folder, seed=seed, revision="2024" if seed % 2 else "current")
    loaded = load_source(LocalSource(path=tuple(map(str, paths))))
    assert loaded.rows_in == 2 * ROWS and loaded.balanced
    rows = loaded.conversations
    seeded = experiment.model_copy(update={"seed": seed})
    return rows, {scale: split_experiment(seeded, rows, scale=scale) for scale in experiment.scales}


def _holds(experiment, rows, splits):
    keys = {row.id: request_key(row) for row in rows}
    for scale, split in splits.items():
        sizes = experiment.scale(scale)
        assert [len(getattr(split, part)) for part in PARTS] == [sizes.train, sizes.validation, sizes.test]
        assert len(split.release) == experiment.release_test
        assert split.moved == 0 and split.leakage.clean
        trained = {keys[id_] for id_ in (*split.train, *split.validation)}
        assert not trained & {keys[id_] for id_ in (*split.test, *split.release, *split.reserve)}
        assert split.cut_share <= 0.05


@pytest.mark.slow
def test_the_default_sizes_are_filled_and_a_larger_scale_changes_nothing(experiment, tmp_path):
    rows, splits = _splits(experiment, tmp_path, seed := 1)
    _holds(experiment, rows, splits)
    small, large = splits["small"], splits["large"]
    only = experiment.model_copy(update={"seed": seed, "scales": {"small": experiment.scale("small")}})
    alone = split_experiment(only, rows, scale="small")
    assert [getattr(alone, part) for part in (*PARTS, "release")] == [
        getattr(small, part) for part in (*PARTS, "release")
    ]
    assert not {*alone.test, *alone.reserve, *alone.release} & {*large.train, *large.validation}
    sizes = experiment.scale("large").test_splits
    multi = select("multi_turn_test", conversations=rows, split=large, sizes=sizes)
    assert sum(multi.real.values()) == 30 and multi.missing == {}
    asked = select("general_test", conversations=rows, split=large, sizes=sizes)
    assert len({case.conversation_id for case in asked.cases}) == 200


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(2, 21))
def test_the_default_sizes_are_filled_whatever_the_seed(experiment, tmp_path, seed):
    _holds(experiment, *_splits(experiment, tmp_path, seed))
