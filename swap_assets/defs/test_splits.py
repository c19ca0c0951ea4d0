"""The test splits of a scale, drawn from held-out rows; what they lack is filled with marked synthetic rows."""

from functools import partial

import dagster as dg

from swap_assets.defs import metadata
from swap_assets.defs.partitions import SCALES, scale_of
from swap_assets.defs.resources import Lab
from swap_assets.domain.conversations import Conversation, EvalCase
from swap_assets.domain.report.tables import markdown_table
from swap_assets.domain.splits.capability_splits import select
from swap_assets.domain.splits.scale_split import DatasetSplit

Cases = dg.MaterializeResult[list[EvalCase]]
Conversations = list[Conversation]


@dg.asset(partitions_def=SCALES, kinds={"parquet"})
def single_turn_test(
    context: dg.AssetExecutionContext, lab: Lab, dataset_split: DatasetSplit, hermes_conversations: Conversations
) -> Cases:
    """First requests by difficulty: simple, moderate, complex."""
    return _selected("single_turn_test", context, lab, dataset_split, hermes_conversations)


@dg.asset(partitions_def=SCALES, kinds={"parquet"})
def multi_turn_test(
    context: dg.AssetExecutionContext, lab: Lab, dataset_split: DatasetSplit, hermes_conversations: Conversations
) -> Cases:
    """Conversations by kind: clarification, sequential, context-dependent; asked at every assistant turn."""
    return _selected("multi_turn_test", context, lab, dataset_split, hermes_conversations)


@dg.asset(partitions_def=SCALES, kinds={"parquet"})
def domain_diverse_test(
    context: dg.AssetExecutionContext, lab: Lab, dataset_split: DatasetSplit, hermes_conversations: Conversations
) -> Cases:
    """The same number of conversations for each of ten domains."""
    return _selected("domain_diverse_test", context, lab, dataset_split, hermes_conversations)


@dg.asset(partitions_def=SCALES, kinds={"parquet"})
def no_call_test(
    context: dg.AssetExecutionContext, lab: Lab, dataset_split: DatasetSplit, hermes_conversations: Conversations
) -> Cases:
    """Tools are offered and no call is right, or asking back is."""
    return _selected("no_call_test", context, lab, dataset_split, hermes_conversations)


@dg.asset(partitions_def=SCALES, kinds={"parquet"})
def parallel_test(
    context: dg.AssetExecutionContext, lab: Lab, dataset_split: DatasetSplit, hermes_conversations: Conversations
) -> Cases:
    """Several calls in one answer are right."""
    return _selected("parallel_test", context, lab, dataset_split, hermes_conversations)


def _selected(
    name: str, context: dg.AssetExecutionContext, lab: Lab, split: DatasetSplit, conversations: Conversations
) -> Cases:
    choose = partial(
        select,
        name,
        conversations=conversations,
        split=split,
        sizes=lab.experiment.scale(scale_of(context)).test_splits,
        seed=lab.experiment.seed,
    )
    chosen = choose()
    if chosen.missing:
        chosen = choose(fill=lab.test_fill())
    rows = [
        [label, str(wanted), str(chosen.real[label]), str(chosen.synthetic[label])]
        for label, wanted in chosen.wanted.items()
    ]
    return dg.MaterializeResult(
        value=list(chosen.cases),
        metadata={
            "conversations": metadata.markdown(markdown_table(["label", "wanted", "real", "synthetic"], rows)),
            "cases": len(chosen.cases),
            "missing": metadata.counts_table(chosen.missing, of="label"),
            "sample": metadata.sample(chosen.cases[0] if chosen.cases else None),
        },
        data_version=dg.DataVersion(chosen.content_hash),
    )
