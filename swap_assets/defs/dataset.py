"""The dataset: conversations that could be read, those that could not, exact splits, and the training tracks."""

from collections import Counter
from collections.abc import Iterator, Sequence

import dagster as dg

from swap_assets.defs import metadata
from swap_assets.defs.partitions import SCALES, scale_of
from swap_assets.defs.resources import Lab
from swap_assets.domain.conversations import Conversation, Quarantined
from swap_assets.domain.model import content_hash
from swap_assets.domain.profile.profile import DatasetProfile, profile_markdown, profile_sentence
from swap_assets.domain.splits.scale_split import DatasetSplit, split_scale
from swap_assets.domain.tracks import TrackData, TrainingExample
from swap_assets.domain.tracks import structured_track as structured_examples
from swap_assets.domain.tracks import toolcall_track as toolcall_examples

Conversations = list[Conversation]
NOTHING_LOST = "no_row_is_lost"
NO_LEAKAGE = "no_leakage"


@dg.multi_asset(
    outs={
        "hermes_conversations": dg.AssetOut(
            dagster_type=Conversations, description="Every conversation that could be read.", kinds={"parquet"}
        ),
        "quarantined_conversations": dg.AssetOut(
            dagster_type=list[Quarantined],
            description="Rows that could not be read, each with its reason.",
            kinds={"parquet"},
        ),
    },
    check_specs=[
        dg.AssetCheckSpec(
            NOTHING_LOST,
            asset="hermes_conversations",
            description="rows in = rows kept + rows quarantined",
            blocking=True,
        )
    ],
)
def conversations(context: dg.AssetExecutionContext, lab: Lab) -> Iterator[dg.MaterializeResult]:
    """Read the source once into typed conversations and quarantined rows."""
    with lab.recording_failure(context):
        loaded = lab.load_source()
    kept, refused = list(loaded.conversations), list(loaded.quarantined)
    lab.keep_notices(loaded)
    counts = {"in": loaded.rows_in, "kept": len(kept), "quarantined": len(refused)}
    yield dg.MaterializeResult(
        asset_key="hermes_conversations",
        value=kept,
        metadata={
            "rows": metadata.counts_table(counts, of="rows"),
            "origins": metadata.counts_table(Counter(item.provenance.origin for item in kept), of="origin"),
            "repairs": metadata.counts_table(Counter(name for item in kept for name in item.repairs), of="repair"),
            "sample": metadata.sample(kept[0] if kept else None),
            "notes": "; ".join((*loaded.notes, loaded.first_line_warning)).strip("; ") or "none",
        },
        data_version=dg.DataVersion(content_hash(kept)),
        check_results=[dg.AssetCheckResult(check_name=NOTHING_LOST, passed=loaded.balanced, metadata=dict(counts))],
    )
    yield dg.MaterializeResult(
        asset_key="quarantined_conversations",
        value=refused,
        metadata={
            "rows": len(refused),
            "reasons": metadata.counts_table(Counter(item.reason for item in refused), of="reason"),
            "sample": metadata.sample(refused[0] if refused else None),
        },
        data_version=dg.DataVersion(content_hash(refused)),
    )


@dg.asset(kinds={"markdown"})
def dataset_profile(
    lab: Lab, hermes_conversations: Conversations, quarantined_conversations: list[Quarantined]
) -> dg.MaterializeResult[DatasetProfile]:
    """What the data is like: labels, repairs, duplicates, and lengths in tokens for each model's own tokenizer."""
    profile = lab.profile(hermes_conversations, quarantined_conversations)
    return dg.MaterializeResult(
        value=profile,
        metadata={
            "profile": metadata.markdown(profile_markdown(profile)),
            "plots": metadata.svg(lab.plot(profile)),
            "in_one_sentence": profile_sentence(profile),
        },
        data_version=dg.DataVersion(content_hash(profile)),
    )


@dg.asset(
    partitions_def=SCALES,
    kinds={"python"},
    check_specs=[
        dg.AssetCheckSpec(
            NO_LEAKAGE,
            asset="dataset_split",
            description="no training row is a near-duplicate of a test row",
            blocking=True,
        )
    ],
)
def dataset_split(
    context: dg.AssetExecutionContext, lab: Lab, hermes_conversations: Conversations
) -> Iterator[dg.MaterializeResult[DatasetSplit]]:
    """Which conversations train, validate, test, and stay sealed; exact sizes, nested scales, groups kept together."""
    experiment = lab.experiment
    with lab.recording_failure(context), lab.explained(ValueError):
        split = split_scale(
            hermes_conversations,
            scale=scale_of(context),
            scales=experiment.scales,
            release_test=experiment.release_test,
            seed=experiment.seed,
        )
    parts = ("train", "validation", "test", "release", "reserve", "set_aside")
    leakage = split.leakage
    yield dg.MaterializeResult(
        value=split,
        metadata={
            "sizes": metadata.counts_table({part: len(getattr(split, part)) for part in parts}, of="part"),
            "closest_pair": metadata.sample(leakage),
            "leakage_index": dg.MetadataValue.path(str(lab.keep_leakage_index(split, hermes_conversations))),
            "content_hash": split.content_hash,
        },
        data_version=dg.DataVersion(split.content_hash),
        check_results=[
            dg.AssetCheckResult(
                check_name=NO_LEAKAGE, passed=leakage.clean, metadata={"closest_pair": metadata.sample(leakage)}
            )
        ],
    )


@dg.asset(partitions_def=SCALES, kinds={"json"})
def structured_track(
    dataset_split: DatasetSplit, hermes_conversations: Conversations
) -> dg.MaterializeResult[TrackData]:
    """Training and validation examples whose answers are a JSON list of tool names and arguments."""
    chosen = _chosen(hermes_conversations, dataset_split)
    return _track(*(structured_examples(part) for part in chosen))


@dg.asset(partitions_def=SCALES, kinds={"json"})
def toolcall_track(dataset_split: DatasetSplit, hermes_conversations: Conversations) -> dg.MaterializeResult[TrackData]:
    """Training and validation examples whose answers are tool calls; the approach's answer format says how written."""
    chosen = _chosen(hermes_conversations, dataset_split)
    return _track(*(toolcall_examples(part) for part in chosen))


def _chosen(rows: Conversations, split: DatasetSplit) -> tuple[Conversations, Conversations]:
    by_id = {row.id: row for row in rows}
    return [by_id[name] for name in split.train], [by_id[name] for name in split.validation]


def _track(train: Sequence[TrainingExample], validation: Sequence[TrainingExample]) -> dg.MaterializeResult[TrackData]:
    data = TrackData(train=tuple(train), validation=tuple(validation))
    return dg.MaterializeResult(
        value=data,
        metadata={
            "train": len(train),
            "validation": len(validation),
            "sample": metadata.sample(train[0] if train else None),
        },
        data_version=dg.DataVersion(data.content()),
    )
