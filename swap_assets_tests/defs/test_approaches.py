"""An approach is an entry of the experiment file: the graph, the jobs and the gates learn of it by themselves."""

import json
import os
import subprocess
import sys

import yaml

from swap_assets_tests.conftest import EXPERIMENT

ASK = """
import json
from swap_assets.definitions import defs
graph = defs.resolve_asset_graph()
def names(job):
    return sorted(key.path[-1] for key in defs.resolve_job_def(job).asset_layer.selected_asset_keys)
print(json.dumps({
    "assets": sorted(node.key.path[-1] for node in graph.asset_nodes),
    "train": names("train_and_evaluate"),
    "behind": sorted(key.path[-1] for key in graph.get(next(
        node.key for node in graph.asset_nodes if node.key.path[-1] == "comparison_report")).parent_keys),
    "checks": sorted({key.asset_key.path[-1] for key in graph.asset_check_keys}),
}))
"""
NEW = {
    "paper_r64_adapter", "paper_r64_evaluation", "paper_r64_constrained_evaluation",
    "other_pair_structured_adapter", "other_pair_toolcall_adapter", "other_pair_evaluation",
    "other_pair_constrained_evaluation",
}  # fmt: skip


def test_two_more_approaches_are_two_entries_and_appear_everywhere(tmp_path):
    settings = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8"))
    settings["approaches"]["paper-r64"] = {"extends": "paper", "lora": {"r": 64}}
    settings["approaches"]["other-pair"] = {"extends": "fledgling"}
    (tmp_path / "swap.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, check=True,
        env={**os.environ, "SWAP_CONFIG": str(tmp_path / "swap.yaml")},
    )  # fmt: skip
    found = {name: set(listed) for name, listed in json.loads(told.stdout.splitlines()[-1]).items()}
    assert found["assets"] > NEW and found["train"] > NEW
    evaluations = {name for name in NEW if name.endswith("_evaluation")}
    assert evaluations < found["behind"] and evaluations < found["checks"]
