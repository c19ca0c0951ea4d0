"""The released candidate's adapters merged into their 16-bit base.

Not here: whether they may be (`release`), and how merging goes (`backends.merging`).
"""

import dagster as dg

from swap_assets.defs import metadata
from swap_assets.defs.partitions import MODELS_AND_SCALES
from swap_assets.defs.pipes import MODEL_PROCESS_POOL, WorkerClient
from swap_assets.defs.resources import TEST_SPLITS, Lab
from swap_assets.domain.candidates import Candidate, Form
from swap_assets.domain.judging.decisions import Decision, Override
from swap_assets.domain.lora_adapter import MergedModel

_ADAPTERS = ["paper_adapter", "fledgling_structured_adapter", "fledgling_toolcall_adapter"]


class MergeConfig(dg.Config):
    """How to go against the gate: both fields, and they are recorded."""

    override_reason: str = ""
    override_by: str = ""

    def override(self) -> Override | None:
        """Return the override, None where none is given."""
        if not (self.override_reason or self.override_by):
            return None
        return Override(reason=self.override_reason, by=self.override_by)


@dg.asset(
    partitions_def=MODELS_AND_SCALES, deps=[*_ADAPTERS, *TEST_SPLITS], pool=MODEL_PROCESS_POOL, kinds={"huggingface"}
)
def merged_model(
    context: dg.AssetExecutionContext,
    config: MergeConfig,
    lab: Lab,
    worker: WorkerClient,
    release_decision: Decision,
) -> dg.MaterializeResult[MergedModel]:
    """The candidate that release_decision names, merged into its 16-bit base with tokenizer and chat template."""
    override = config.override()
    lab.require_release(release_decision, override)
    chosen = Candidate.from_id(release_decision.candidates[0])
    adapters = lab.adapters_of(chosen)
    with lab.recording_failure(context):
        cases = lab.test_cases(chosen.scale)
        work = [lab.bench.merge(chosen, adapter.name, folder=adapter.path, cases=cases) for adapter in adapters]
        merged = [item for item in worker.run_all(context, work) if item.kind == "merge"] if work else []
    folders = {adapter.name: str(item.model) for adapter, item in zip(adapters, merged, strict=True)}
    hashes = {adapter.name: item.merged_hash for adapter, item in zip(adapters, merged, strict=True)}
    value = MergedModel(
        candidate_id=chosen.model_copy(update={"form": Form.MERGED}).id,
        decision=release_decision.content(),
        override=f"{override.by}: {override.reason}" if override else "",
        folders=folders,
        hashes=hashes,
    )
    return metadata.merged_result(value, release_decision)
