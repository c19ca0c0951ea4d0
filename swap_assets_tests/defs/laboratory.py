"""A folder in which the tests' experiment runs through the whole graph, and what its assets are called."""

from pathlib import Path

import dagster as dg

from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.definitions import defs
from swap_assets.domain.scoring.aggregation import summarise
from swap_assets.domain.scoring.evaluation import Evaluation

SCALE_ASSETS = (
    "dataset_split", "structured_track", "toolcall_track", "single_turn_test", "multi_turn_test",
    "domain_diverse_test", "no_call_test", "parallel_test", "general_test", "llm_interface", "llm_baseline",
)  # fmt: skip
MODEL_ASSETS = (
    "slm_baseline", "fine_tune_decision", "fledgling_structured_adapter", "fledgling_toolcall_adapter",
    "paper_adapter", "fledgling_evaluation", "paper_evaluation",
)  # fmt: skip
EVALUATIONS = ("llm_baseline", "slm_baseline", "fledgling_evaluation", "paper_evaluation")
OVERRIDE = {"ops": {"merged_model": {"config": {"override_reason": "a test of merging", "override_by": "Ada"}}}}


class Laboratory:
    """A folder in which the tests' experiment runs, and the instance that records it."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance = folder, instance
        self.store = ArtefactStore(folder / "state")

    def materialize(self, *names: str, partition: str | None = None, run_config=None, raises: bool = True):
        job = defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(name) for name in names],
            partition_key=partition,
            run_config=run_config,
            raise_on_error=raises,
        )


def perfect(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation whose every row is right."""
    results = {}
    for track, result in evaluation.results.items():
        rows = tuple(row.model_copy(update={"field_f1": 1.0, "exact_match": 1.0}) for row in result.rows)
        summary = summarise(evaluation.candidate.id, result.summary.answer_format, rows)
        results[track] = result.model_copy(update={"rows": rows, "summary": summary})
    return evaluation.model_copy(update={"results": results})
