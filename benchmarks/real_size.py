"""The default experiment on files of the hub's real size, every asset of both scales: `python -m benchmarks.real_size`.

`by hand` runs Dagster's command line, segment by segment; `by sensors` (`--sensors`) materialises the conversations and
leaves the rest to the sensors. The rows are made (`hub_rows`: two files of 1,893 rows that continue each other), or
with `--rows PATH...` given. Models are stand-ins of true token lengths (`real_size_stand_ins`), so that what is read,
split, cut, asked, decided, merged and reported is the project's own; they train for one epoch, in 32 bits. Everything
lies in a temporary folder, or in the one that `--folder` names. At the end it prints, for each scale and split, the
rows kept, cut, asked, real and synthetic, and which assets have which partitions. `--only-splits` prints the rows of
the splits alone, in half a minute.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from benchmarks.real_size_stand_ins import hosted_model, make_models, write_answers
from benchmarks.tables import head, line
from swap_assets.backends.datasets.loading import load_sources, try_splits
from swap_assets.backends.store.experiment_file import storage_root
from swap_assets.cli.environment import dagster_environment
from swap_assets.domain.experiment.experiment import Experiment, parse_experiment
from swap_assets.domain.keys import (
    COMPARISON_REPORT,
    MERGED_MODEL,
    PUBLISHED_MODEL,
    RELEASE_DECISION,
    ROOT_ASSETS,
    SEALED_ASSETS,
    TEST_SPLITS,
    partition_key,
)  # fmt: skip
from swap_assets.domain.model import Conversation, EvalCase
from swap_assets.domain.splits.capability_splits import select
from swap_assets.domain.splits.scale_split import DatasetSplit
from swap_assets.domain.synthetic.generator import GeneratorSettings, fill_settings, generate

ROOT = Path(__file__).parents[1]
_SEED = 4
_TEXTS = 250  # rows that the tokenizer is made of
_FILL = 2000  # generated rows that test splits may draw on
_OVERRIDE = {"override_reason": "a run that makes every asset", "override_by": "benchmarks.real_size"}
_DRIFT = ("repeated_llm_evaluation", "drift_check")


def main() -> int:
    """Run one way and print its tables; 1 where an asset is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sensors", action="store_true", help="by sensors instead of by hand")
    parser.add_argument("--rows", nargs="*", type=Path, default=[], help="files of rows in place of made ones")
    parser.add_argument("--spare", nargs="*", type=Path, default=[], help="files that only test splits draw on")
    parser.add_argument("--only-splits", action="store_true", help="read and split alone: no model, no Dagster")
    parser.add_argument("--sizes", default="", help="for small files: small and large, such as 40/10/20,60/10/25")
    parser.add_argument("--release", type=int, default=None, help="sealed rows; else the experiment's own")
    parser.add_argument("--models", type=int, default=3, help="how many of the experiment's models")
    parser.add_argument("--folder", type=Path, help="where everything lies; else a temporary folder")
    parser.add_argument("--limit-s", type=int, default=3000, help="seconds after which the sensors are stopped")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (asked.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        settings = _settings(folder, asked)
        if asked.only_splits:
            return _only_splits(parse_experiment(settings))
        _make(folder, parse_experiment(settings))
        with hosted_model(folder / "models") as url:
            settings["hosted_model"] = {
                "key": "gpt-4o", "provider": "openai", "model": "gpt-4o-stand-in", "concurrency": 8, "base_url": url,
                "price": settings["hosted_model"]["price"], "tool_role": "user",
            }  # fmt: skip
            (folder / "swap.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
            os.environ["SWAP_CONFIG"] = str(folder / "swap.yaml")
            os.environ["HF_HUB_OFFLINE"] = "1"
            os.chdir(folder)
            began = time.monotonic()
            (_by_sensors if asked.sensors else _by_hand)(parse_experiment(settings), asked.limit_s)
            print(f"\n{'by sensors' if asked.sensors else 'by hand'}: {time.monotonic() - began:.0f} s\n", flush=True)
        return _tables(parse_experiment(settings), by_sensors=asked.sensors)


def _settings(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Return swap.yaml with the rows of files, and stand-ins for its models; rows, models and gold are made."""
    from swap_assets_tests.hub_rows import write_hub_files

    rows = [path.resolve() for path in asked.rows]
    settings = yaml.safe_load((ROOT / "swap.yaml").read_text(encoding="utf-8"))
    settings["models"] = dict(list(settings["models"].items())[: asked.models])
    rows = rows or write_hub_files(folder, seed=_SEED, english=True)
    settings["source"] = {"kind": "local", "path": [str(path) for path in rows]}
    if asked.spare:
        spare = {"kind": "local", "name": "spare", "path": [str(path.resolve()) for path in asked.spare], "share": 0}
        settings["sources"] = [settings.pop("source") | {"name": "rows", "share": 1}, spare]
    for scale, sizes in zip(settings["scales"].values(), asked.sizes.split(",") if asked.sizes else (), strict=False):
        scale.update(zip(("train", "validation", "test"), map(int, sizes.split("/")), strict=True))
    if asked.release is not None:
        settings["release_test"] = asked.release
    settings |= {"name": "real-size", "storage": str(folder / "state"), "threads": 1, "model_processes": 2}
    settings["gates"]["release"]["approval"] = "none"
    settings["automation"] = {"sensors": "running" if asked.sensors else "stopped", "every_s": 5}
    for approach in settings["approaches"].values():
        approach["training"] |= {"epochs": 1, "quantisation": "none", "learning_rate": 1e-3}
    for scale in settings["scales"].values():
        scale.pop("epochs", None)
    command = [sys.executable, "-m", "benchmarks.real_size_stand_ins", "serve"]
    for name, entry in settings["models"].items():
        if "extends" not in entry:
            own = {"parameters_billion": entry["parameters_billion"], "dtype": "float32"}
            settings["models"][name] = own | {"path": str(folder / "models" / name), "vllm": {"command": command}}
    return settings


def _make(folder: Path, experiment: Experiment) -> None:
    """Make the models of the rows' own words, and keep the gold of everything that may be asked."""
    rows = load_sources(experiment.all_sources).conversations
    models = folder / "models"
    models.mkdir(exist_ok=True)
    texts = ["\n".join([str(row.tools), *(turn.text for turn in row.turns)]) for row in rows[:_TEXTS]]
    names = {Path(model.path).name for model in experiment.models.values()}
    characters = make_models(models, texts, sorted(names))
    write_answers(models, [*rows, *_fill(experiment)])
    print(f"{len(rows):,} conversations kept; {characters:.2f} characters a token", flush=True)


def _environment() -> dict[str, str]:
    return dagster_environment() | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def _by_hand(experiment: Experiment, _: int) -> None:
    """Run a command of Dagster for each segment: both scales whole, every model's release and merge, drift."""
    from rich.console import Console

    from swap_assets.backends.store.artefacts import ArtefactStore
    from swap_assets.cli.demo import segments
    from swap_assets.cli.materialize import Segment, log_of, run_segment, run_together
    from swap_assets.domain.judging.decisions import Decision

    store, console, environment = ArtefactStore(storage_root(experiment)), Console(width=160), _environment()

    def run(segment: Segment) -> None:
        run_segment(segment, environment=environment, log=log_of(store.root, segment), console=console)

    run(Segment("Conversations", ROOT_ASSETS))
    for scale in experiment.scales:
        for together in segments(experiment, scale):
            run_together(together, run)
        for key in (partition_key(model, scale) for model in experiment.models):
            run(Segment(f"Release of {key}?", SEALED_ASSETS, key))
            released = store.read(RELEASE_DECISION, key, Decision).action == "release"
            config = None if released else {"ops": {MERGED_MODEL: {"config": _OVERRIDE}}}
            run(Segment(f"Merge {key}", (MERGED_MODEL,), key, config))
            run(Segment(f"Publish {key}", (PUBLISHED_MODEL,), key))
        run(Segment(f"Drift at {scale}", _DRIFT, scale))
        run(Segment(f"The report of {scale} again", (COMPARISON_REPORT,), scale))


def _by_sensors(experiment: Experiment, limit_s: int) -> None:
    """Materialise the conversations and wait until the sensors have nothing left to do."""
    from rich.console import Console

    environment = _environment()
    os.environ.update(environment)
    from swap_assets.cli.story import by_sensors

    state = storage_root(experiment)
    (state / "logs").mkdir(parents=True, exist_ok=True)
    fault = by_sensors(state, environment, Console(width=160), limit_s=limit_s, keep=False)
    print(fault or "Nothing is left to do.", flush=True)


def _tables(experiment: Experiment, *, by_sensors: bool) -> int:
    """Print what became of the rows and which assets are there; 1 where one is missing."""
    from swap_assets.backends.store.artefacts import ArtefactStore

    store = ArtefactStore(storage_root(experiment))
    _head()
    for scale in experiment.scales:
        cases = {name: store.read(name, scale, list[EvalCase]) for name in TEST_SPLITS}
        _rows(store.read("dataset_split", scale, DatasetSplit), cases)
    print()
    _trainings(store.root)
    print()
    return _there(experiment, by_sensors=by_sensors)


def _only_splits(experiment: Experiment) -> int:
    """Print what became of the rows, split as `dataset_split` and the test splits' assets do."""
    loaded, splits = try_splits(experiment)
    print(f"{loaded.rows_in:,} rows, {len(loaded.conversations):,} kept", flush=True)
    _head()
    for scale, split in splits.items():
        sizes, cases = experiment.scale(scale).test_splits, dict[str, list[EvalCase]]()
        for name in TEST_SPLITS:
            choose = partial(select, name, conversations=loaded.conversations, split=split, sizes=sizes)
            chosen = choose()
            cases[name] = list((choose(fill=_fill(experiment)) if chosen.missing else chosen).cases)
        _rows(split, cases)
    return 0


def _fill(experiment: Experiment) -> Iterator[Conversation]:
    return generate(fill_settings(GeneratorSettings(), rows=_FILL, seed=experiment.seed))


def _head() -> None:
    head("scale", "part or split", "conversations", "answers cut (estimate)", "cases asked", "real", "synthetic")


def _rows(split: DatasetSplit, test_splits: Mapping[str, list[EvalCase]]) -> None:
    """Print a line for each part of a scale's split, and for each of its test splits."""
    for part in ("train", "validation", "test", "release"):
        origins = Counter[str]()
        for each in (each for each in split.sources if each.part == part):
            origins["synthetic" if each.origin == "synthetic" else "real"] += each.rows
        cut = split.cut if part == "train" else "–"
        line(split.scale, part, len(getattr(split, part)), cut, "–", origins["real"], origins["synthetic"])
    for name, cases in test_splits.items():
        line(split.scale, name, *_counts(cases))
    every = {case.id: case for cases in test_splits.values() for case in cases}
    line(split.scale, "asked in all, each once", *_counts(list(every.values())))


def _counts(cases: list[EvalCase]) -> tuple[object, ...]:
    origins = {case.conversation_id: case.origin for case in cases}
    made = sum(origin == "synthetic" for origin in origins.values())
    return len(origins), "–", len(cases), len(origins) - made, made


def _trainings(root: Path) -> None:
    """Print what the tokenizer itself counted, for each adapter that was trained."""
    head("adapter", "rows read", "cut by max_length", "lost to it", "trained on", "longest, tokens")
    for file in sorted((root / "work" / "trainings").glob("*/*/result.json")):
        rows = json.loads(file.read_text(encoding="utf-8"))["train_rows"]
        name = f"{file.parents[1].name}, {file.parent.name}"
        line(name, rows["read"], rows["cut"], rows["lost"], rows["used"], rows["longest"])


def _there(experiment: Experiment, *, by_sensors: bool) -> int:
    """Print each asset's materialised partitions of those that there are; 1 where one has none at a scale.

    Sensors ask for what their jobs hold, and decide on releases after the last scale alone.
    """
    os.environ.update(_environment())
    import dagster as dg

    from swap_assets.definitions import defs
    from swap_assets.domain.gates.registry import jobs

    asked = {name: set(defs.resolve_job_def(name).asset_layer.selected_asset_keys) for name in jobs()}
    late = asked["sealed_test"] | asked["release"]
    nodes = [node for node in defs.resolve_asset_graph().asset_nodes if node.is_materializable]
    missing = list[str]()
    head("asset", "partitions materialised", "of")
    with dg.DagsterInstance.get() as instance:
        for node in sorted(nodes, key=lambda node: (str(node.group_name), str(node.key))):
            name = node.key.path[-1]
            if "constrained" in name or (by_sensors and node.key not in set[Any]().union(*asked.values())):
                continue
            if node.partitions_def is None:
                line(name, int(instance.get_latest_materialization_event(node.key) is not None), 1)
                continue
            keys, found = node.partitions_def.get_partition_keys(), instance.get_materialized_partitions(node.key)
            line(name, len(found), len(keys))
            scales = list(experiment.scales)[-1:] if by_sensors and node.key in late else list(experiment.scales)
            missing += [f"{name} at {scale}" for scale in scales if scale not in {key.split("|")[-1] for key in found}]
    print(f"\nMissing: {', '.join(missing)}." if missing else "\nEvery asset is there at both scales.")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
