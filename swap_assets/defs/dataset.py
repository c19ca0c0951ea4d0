"""The dataset: conversations that could be read, those that could not, exact splits, training tracks, test splits.

What held-out rows lack for the test splits is filled with marked synthetic rows.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import dagster as dg

from swap_assets.defs import checks, metadata
from swap_assets.defs.resources.store import SCALES, ConversationSource, ExperimentStore, explained
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.sources import HubSource, LoadedSource, Notices, SyntheticSource
from swap_assets.domain.keys import DATASET_SPLIT, HERMES_CONVERSATIONS, STRUCTURED_TRACK, TEST_SPLITS, TOOLCALL_TRACK
from swap_assets.domain.model import Conversation, EvalCase, Quarantined, content_hash
from swap_assets.domain.profile import DatasetProfile, profile_markdown, profile_sentence, profile_source
from swap_assets.domain.report.tables import markdown_table
from swap_assets.domain.splits.capability_splits import select
from swap_assets.domain.splits.leakage_index import build_index
from swap_assets.domain.splits.scale_split import DatasetSplit, SourceRows, split_experiment
from swap_assets.domain.splits.similarity import boilerplate_of, requests_in
from swap_assets.domain.synthetic.generator import GeneratorSettings, fill_settings, generate
from swap_assets.domain.tracks import TrackData, TrainingExample, structured_track, toolcall_track

Conversations = list[Conversation]
QUARANTINED = "quarantined_conversations"
NOTHING_LOST = "no_row_is_lost"
NO_LEAKAGE = "no_leakage"
ROWS_TEACH = "rows_teach"
_FEW_CUT, _MANY_CUT = 0.05, 0.25


@dg.multi_asset(
    outs={
        name: dg.AssetOut(dagster_type=kind, description=described, kinds={"parquet"}, is_required=False)
        for name, kind, described in (
            (HERMES_CONVERSATIONS, Conversations, "Every conversation that could be read."),
            (QUARANTINED, list[Quarantined], "Rows that could not be read, each with its reason."),
        )
    },
    check_specs=[
        dg.AssetCheckSpec(
            NOTHING_LOST,
            asset=HERMES_CONVERSATIONS,
            description="rows in = rows kept + rows quarantined",
            blocking=True,
        )
    ],
    can_subset=True,
)
def conversations(
    context: dg.AssetExecutionContext, store: ExperimentStore, source: ConversationSource
) -> Iterator[dg.MaterializeResult]:
    """Read the source once into typed conversations and quarantined rows."""
    with store.recording_failure(context):
        loaded = source.load()
    kept, refused = list(loaded.conversations), list(loaded.quarantined)
    store.write("source_notices", None, Notices.of(loaded), kind=Notices)
    counts = {"in": loaded.rows_in, "kept": len(kept), "quarantined": len(refused)}
    made = metadata.outcome(
        kept,
        {
            "rows": metadata.counts_table(counts, of="rows"),
            "origins": metadata.counts_table(Counter(item.provenance.origin for item in kept), of="origin"),
            "repairs": metadata.counts_table(Counter(name for item in kept for name in item.repairs), of="repair"),
            "sample": metadata.sample(kept),
            "notes": "; ".join((*loaded.notes, loaded.first_line_warning)).strip("; ") or "none",
        },
        content_hash(kept),
        dg.AssetCheckResult(check_name=NOTHING_LOST, passed=loaded.balanced, metadata=dict(counts)),
        asset=HERMES_CONVERSATIONS,
    )
    reasons = metadata.counts_table(Counter(item.reason for item in refused), of="reason")
    shown = {"rows": len(refused), "reasons": reasons, "sample": metadata.sample(refused)}
    left_out = metadata.outcome(refused, shown, content_hash(refused), asset=QUARANTINED)
    yield from (item for item in (made, left_out) if item.asset_key in context.selected_asset_keys)


@dg.asset(kinds={"markdown"})
def dataset_profile(
    store: ExperimentStore, source: ConversationSource, hermes_conversations: Conversations,
    quarantined_conversations: list[Quarantined],
) -> dg.MaterializeResult[DatasetProfile]:  # fmt: skip
    """What the data is like: labels, repairs, duplicates, and lengths in tokens for each model's own tokenizer."""
    kept, refused = tuple(hermes_conversations), tuple(quarantined_conversations)
    loaded = LoadedSource(conversations=kept, quarantined=refused, rows_in=len(kept) + len(refused))
    profile = profile_source(loaded, lengths=source.token_lengths(kept))
    image = source.draw(profile)
    store.keep("profile", "profile.svg", image)
    shown = {"profile": metadata.markdown(profile_markdown(profile)), "plots": metadata.svg(image)}
    return metadata.outcome(profile, shown | {"in_one_sentence": profile_sentence(profile)}, content_hash(profile))


@dg.asset(
    partitions_def=SCALES,
    kinds={"python"},
    check_specs=[
        checks.check_spec(name, DATASET_SPLIT, partitions_def=SCALES, description=described, blocking=True)
        for name, described in (
            (NO_LEAKAGE, "no training row is a near-duplicate of a test row"),
            (ROWS_TEACH, "answers of training rows fit max_length: amber above 5 % that do not, blocking above 25 %"),
        )
    ],
)
def dataset_split(
    context: dg.AssetExecutionContext, store: ExperimentStore, hermes_conversations: Conversations
) -> Iterator[dg.MaterializeResult[DatasetSplit]]:
    """Which conversations train, validate, test, and stay sealed; exact sizes, nested scales, groups kept together."""
    experiment = store.experiment
    with store.recording_failure(context), explained(ValueError):
        split = split_experiment(experiment, hermes_conversations, scale=context.partition_key)
    # The fingerprints of all held-out rows, against which later data is checked before anybody trains on it.
    held_out, trained = {*split.test, *split.reserve, *split.release}, {*split.train}
    rows = [row for row in hermes_conversations if row.id in held_out]
    index = build_index(rows, boilerplate_of(hermes_conversations))
    kept = store.keep("leakage_index", f"{split.scale}.json", index)
    parts = ("train", "validation", "test", "release", "reserve", "set_aside")
    closest = metadata.sample([split.leakage])
    yield metadata.outcome(
        split,
        {
            "sizes": metadata.counts_table({part: len(getattr(split, part)) for part in parts}, of="part"),
            "requests_trained_on": requests_in(row for row in hermes_conversations if row.id in trained),
            "sources": metadata.markdown(markdown_table(SourceRows.HEADER, [each.cells for each in split.sources])),
            "short_sources": "; ".join(split.short) or "none",
            "closest_pair": closest,
            "leakage_index": dg.MetadataValue.path(str(kept)),
            "content_hash": split.content_hash,
        },
        split.content_hash,
        dg.AssetCheckResult(check_name=NO_LEAKAGE, passed=split.leakage.clean, metadata={"closest_pair": closest}),
        dg.AssetCheckResult(
            check_name=ROWS_TEACH, passed=split.cut_share <= _FEW_CUT, description=split.told_of_cut,
            severity=dg.AssetCheckSeverity.ERROR if split.cut_share > _MANY_CUT else dg.AssetCheckSeverity.WARN,
            metadata={"cut": split.cut, "max_length": split.max_length},
        ),
    )  # fmt: skip


def _track(
    name: str, examples: Callable[[Sequence[Conversation]], list[TrainingExample]], description: str
) -> dg.AssetsDefinition:
    @dg.asset(name=name, partitions_def=SCALES, kinds={"json"}, description=description)
    def track(dataset_split: DatasetSplit, hermes_conversations: Conversations) -> dg.MaterializeResult[TrackData]:
        by_id = {row.id: row for row in hermes_conversations}
        train, validation = (
            tuple(examples([by_id[name] for name in part])) for part in (dataset_split.train, dataset_split.validation)
        )
        data = TrackData(train=train, validation=validation)
        shown = {"train": len(train), "validation": len(validation), "sample": metadata.sample(train)}
        return metadata.outcome(data, shown, data.content())

    return track


TRACKS = [
    _track(name, examples, f"Training and validation examples whose answers are {answers}.")
    for name, examples, answers in (
        (STRUCTURED_TRACK, structured_track, "a JSON list of tool names and arguments"),
        (TOOLCALL_TRACK, toolcall_track, "tool calls; the approach's answer format says how written"),
    )
]


# Enough generated rows for any test split; they are made lazily, at thousands a second.
FILL_ROWS = 2000
_DESCRIPTIONS = (
    "First requests by difficulty: simple, moderate, complex.",
    "Conversations by kind: clarification, sequential, context-dependent; asked at every assistant turn.",
    "The same number of conversations for each of ten domains.",
    "Tools are offered and no call is right, or asking back is.",
    "Several calls in one answer are right.",
    "Every test row of the scale, asked at every assistant turn.",
)


def _split(name: str, description: str) -> dg.AssetsDefinition:
    @dg.asset(name=name, partitions_def=SCALES, kinds={"parquet"}, description=description)
    def test_split(
        context: dg.AssetExecutionContext, store: ExperimentStore, dataset_split: DatasetSplit,
        hermes_conversations: Conversations,
    ) -> dg.MaterializeResult[list[EvalCase]]:  # fmt: skip
        experiment = store.experiment
        sizes = experiment.scale(context.partition_key).test_splits
        choose = partial(select, name, conversations=hermes_conversations, split=dataset_split, sizes=sizes)
        chosen = choose()
        if chosen.missing:
            chosen = choose(fill=_fill(experiment))
        rows = [
            [label, str(wanted), str(chosen.real[label]), str(chosen.synthetic[label])]
            for label, wanted in chosen.wanted.items()
        ]
        shown = {
            "conversations": metadata.table(["label", "wanted", "real", "synthetic"], rows, empty=""),
            "cases": len(chosen.cases),
            "missing": metadata.counts_table(chosen.missing, of="label"),
            "sample": metadata.sample(chosen.cases),
        }
        return metadata.outcome(list(chosen.cases), shown, chosen.content_hash)

    return test_split


def _fill(experiment: Experiment) -> Iterator[Conversation]:
    """Generate synthetic test-pool rows, for what held-out rows leave short."""
    own = [each.generator for each in experiment.all_sources if isinstance(each, SyntheticSource | HubSource)]
    settings = own[0] if own else GeneratorSettings()
    return generate(fill_settings(settings, rows=FILL_ROWS, seed=experiment.seed))


TEST_SPLIT_ASSETS = [_split(name, description) for name, description in zip(TEST_SPLITS, _DESCRIPTIONS, strict=True)]
