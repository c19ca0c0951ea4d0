"""What Dagster sees: the public names, their groups and partitions, and that loading them is light."""

import subprocess
import sys
from pathlib import Path

import dagster as dg

from swap_assets.definitions import GROUPS, defs

REPOSITORY = Path(__file__).parents[2]
PUBLIC = {
    "dataset": {
        "hermes_conversations", "quarantined_conversations", "dataset_profile", "dataset_split", "structured_track",
        "toolcall_track",
    },
    "test_splits": {
        "single_turn_test", "multi_turn_test", "domain_diverse_test", "no_call_test", "parallel_test",
        "general_test",
    },
    "baselines": {"llm_interface", "llm_baseline", "slm_baseline", "fine_tune_decision"},
    "training": {"fledgling_structured_adapter", "fledgling_toolcall_adapter", "paper_adapter"},
    "evaluation": {
        "fledgling_evaluation", "paper_evaluation", "fledgling_constrained_evaluation", "paper_constrained_evaluation",
    },
    "comparison": {"comparison_report", "scale_up_decision"},
    "release": {"sealed_llm_evaluation", "release_decision", "merged_model", "published_model"},
    "monitoring": {"repeated_llm_evaluation", "drift_check"},
}  # fmt: skip
BY_MODEL_AND_SCALE = (
    PUBLIC["training"] | PUBLIC["evaluation"] | PUBLIC["release"] | {"slm_baseline", "fine_tune_decision"}
)
UNPARTITIONED = {"hermes_conversations", "quarantined_conversations", "dataset_profile"}
HEAVY = ("torch", "transformers", "mlflow", "peft", "trl", "datasets", "openai", "pandas", "scipy", "langfuse")


def _nodes():
    return {node.key.path[-1]: node for node in defs.resolve_asset_graph().asset_nodes if not node.is_external}


def test_every_public_asset_is_there_in_its_group():
    found: dict[str, set[str]] = {}
    for name, node in _nodes().items():
        found.setdefault(node.group_name, set()).add(name)
    assert found == PUBLIC
    assert list(GROUPS) == list(PUBLIC)


def test_partitions_are_none_scale_or_model_and_scale():
    for name, node in _nodes().items():
        if name in UNPARTITIONED:
            assert node.partitions_def is None
        elif name in BY_MODEL_AND_SCALE:
            assert isinstance(node.partitions_def, dg.MultiPartitionsDefinition), name
            assert node.partitions_def.partition_dimension_names == ["model", "scale"]
        else:
            assert node.partitions_def is not None
            assert node.partitions_def.get_partition_keys() == ["tiny", "small"]


def test_every_asset_has_a_description_kinds_and_an_owner():
    for name, node in _nodes().items():
        assert node.description, name
        assert node.kinds, name
        assert node.owners, name


def test_the_success_criteria_are_non_blocking_checks_on_both_evaluations():
    graph = defs.resolve_asset_graph()
    for asset in ("paper_evaluation", "fledgling_evaluation"):
        keys = graph.get_check_keys_for_assets([dg.AssetKey(asset)])
        assert {"single_turn_exact_match", "llm_delta", "no_call_accuracy", "release"} <= {key.name for key in keys}
        assert not any(graph.get_check_spec(key).blocking for key in keys)


def test_what_must_not_be_doubted_blocks():
    graph = defs.resolve_asset_graph()
    for asset, check in (("hermes_conversations", "no_row_is_lost"), ("dataset_split", "no_leakage")):
        assert graph.get_check_spec(dg.AssetCheckKey(dg.AssetKey(asset), check)).blocking


def test_no_automation_condition_sits_on_anything():
    assert all(node.automation_condition is None for node in _nodes().values())


def test_loading_the_definitions_imports_no_heavy_library():
    code = f"import sys, swap_assets.definitions; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_import_rule_holds():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout
