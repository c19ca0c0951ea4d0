"""The test splits of a scale, drawn from held-out rows; what they lack is filled with marked synthetic rows."""

from collections.abc import Iterator
from functools import partial

import dagster as dg

from swap_assets.defs import metadata
from swap_assets.defs.partitions import SCALES
from swap_assets.defs.resources.store import ExperimentStore
from swap_assets.domain.conversations import Conversation, EvalCase
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.sources import HubSource, SyntheticSource
from swap_assets.domain.keys import TEST_SPLITS
from swap_assets.domain.report.tables import markdown_table
from swap_assets.domain.splits.capability_splits import select
from swap_assets.domain.splits.scale_split import DatasetSplit
from swap_assets.domain.synthetic.generator import GeneratorSettings, fill_settings, generate

# Enough generated rows for any test split; they are made lazily, at thousands a second.
FILL_ROWS = 2000
_DESCRIPTIONS = (
    "First requests by difficulty: simple, moderate, complex.",
    "Conversations by kind: clarification, sequential, context-dependent; asked at every assistant turn.",
    "The same number of conversations for each of ten domains.",
    "Tools are offered and no call is right, or asking back is.",
    "Several calls in one answer are right.",
)


def _split(name: str, description: str) -> dg.AssetsDefinition:
    @dg.asset(name=name, partitions_def=SCALES, kinds={"parquet"}, description=description)
    def test_split(
        context: dg.AssetExecutionContext,
        store: ExperimentStore,
        dataset_split: DatasetSplit,
        hermes_conversations: list[Conversation],
    ) -> dg.MaterializeResult[list[EvalCase]]:
        experiment = store.experiment
        choose = partial(
            select,
            name,
            conversations=hermes_conversations,
            split=dataset_split,
            sizes=experiment.scale(context.partition_key).test_splits,
            seed=experiment.seed,
        )
        chosen = choose()
        if chosen.missing:
            chosen = choose(fill=_fill(experiment))
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

    return test_split


def _fill(experiment: Experiment) -> Iterator[Conversation]:
    """Generate synthetic test-pool rows, for what held-out rows leave short."""
    source = experiment.source
    settings = source.generator if isinstance(source, SyntheticSource | HubSource) else GeneratorSettings()
    return generate(fill_settings(settings, rows=FILL_ROWS, seed=experiment.seed))


SPLITS = [_split(name, description) for name, description in zip(TEST_SPLITS, _DESCRIPTIONS, strict=True)]
