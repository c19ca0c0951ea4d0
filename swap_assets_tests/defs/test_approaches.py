"""An approach is an entry of the experiment file: graph, jobs, gates and report learn of it by themselves."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from swap_assets_tests.conftest import EXPERIMENT

ASK = """
import json
import dagster as dg
from swap_assets.backends.report.build import build_scale_report
from swap_assets.definitions import defs
from swap_assets_tests.defs.scenarios import Scenario

graph = defs.resolve_asset_graph()
def names(job):
    return sorted(key.path[-1] for key in defs.resolve_job_def(job).asset_layer.selected_asset_keys)
def behind(asset):
    return [key.path[-1] for key in graph.get(dg.AssetKey(asset)).parent_keys]
with dg.DagsterInstance.ephemeral() as instance:
    scenario = Scenario(instance)
    experiment = scenario.store.experiment
    scenario.root()
    scenario.baselines(llm=90, slm=20)
    training = next(one for one in scenario.ask("fine_tune_gate") if one.partition_key == "little|tiny")
    waits = scenario.ask("report_ready")
    pairs = [(model, approach) for model in experiment.models for approach in experiment.approaches]
    scenario.trained({pair: 90 - at for at, pair in enumerate(pairs)})
    due = scenario.asked("report_ready")
    scaled_up, released = scenario.decide_scale_up(), scenario.decide_release("little", "tiny", sealed=None)
    report = build_scale_report(
        experiment, scenario.store.folder, "tiny", notices=(), source="", test_cases=lambda _: [], now=""
    )
    rows = report.frame()
print(json.dumps({
    "assets": sorted(node.key.path[-1] for node in graph.asset_nodes),
    "train": names("train_and_evaluate"),
    "behind": behind("comparison_report"),
    "behind_scale_up": behind("scale_up_decision"),
    "checks": sorted({key.asset_key.path[-1] for key in graph.asset_check_keys}),
    "fine_tune_gate": [key.path[-1] for key in training.asset_selection],
    "report_waits": waits.removeprefix("tiny: waiting for ").split(", "),
    "report_due": [job for job, _ in due],
    "scale_up": [item.candidate_id for item in scaled_up.contrasts],
    "release": [item.candidate_id for item in released.contrasts],
    "report": sorted(set(rows["candidate_id"])),
    "compared": [item.candidate_id for item in report.comparisons],
    "criteria": list(report.criteria),
}))
"""
ADAPTERS = {
    "paper": {"paper_adapter"},
    "fledgling": {"fledgling_structured_adapter", "fledgling_toolcall_adapter"},
    "paper-r64": {"paper_r64_adapter"},
    "other-pair": {"other_pair_structured_adapter", "other_pair_toolcall_adapter"},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What a fresh process says of an experiment with four approaches, two of them one entry more."""
    folder = tmp_path_factory.mktemp("approaches")
    settings = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8"))
    settings["approaches"]["paper-r64"] = {"extends": "paper", "lora": {"r": 64}}
    settings["approaches"]["other-pair"] = {"extends": "fledgling"}
    (folder / "swap.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, check=True, cwd=folder,
        env={**os.environ, "SWAP_CONFIG": str(folder / "swap.yaml"), "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    return {name: set(listed) for name, listed in json.loads(told.stdout.splitlines()[-1]).items()}


@pytest.mark.parametrize("approach", ADAPTERS)
def test_each_of_four_approaches_is_in_the_graph_its_jobs_and_its_checks(found, approach):
    stem = approach.replace("-", "_")
    evaluations = {f"{stem}_evaluation", f"{stem}_constrained_evaluation"}
    assert ADAPTERS[approach] | evaluations <= found["assets"] & found["train"]
    assert evaluations <= found["behind"] & found["behind_scale_up"] & found["checks"]


@pytest.mark.parametrize("approach", ADAPTERS)
def test_each_of_four_approaches_is_asked_for_waited_for_and_decided_on_by_the_gates(found, approach):
    candidate = f"little--tiny--{approach}--greedy--adapter"
    assert ADAPTERS[approach] | {f"{approach.replace('-', '_')}_evaluation"} <= found["fine_tune_gate"]
    assert candidate in found["report_waits"]
    assert found["report_due"] == {"report"}
    assert candidate in found["scale_up"] & found["release"]


@pytest.mark.parametrize("approach", ADAPTERS)
def test_each_of_four_approaches_has_its_rows_in_the_report(found, approach):
    candidate = f"little--tiny--{approach}--greedy--adapter"
    assert candidate in found["report"] & found["compared"] & found["criteria"]
