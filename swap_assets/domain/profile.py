"""What a data set is like, in numbers that a person decides by: labels, repairs, duplicates, lengths; and fit sizes.

    127 of 130 rows kept (3 exact_duplicate); 35 have repaired answers, which are trained on and never tested on

Token lengths are counted by whoever has a tokenizer. The same as Markdown serves terminal and UI alike.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import Field

from swap_assets.domain.experiment.sources import LoadedSource, Scale
from swap_assets.domain.model import Conversation, Frozen, canonical_json
from swap_assets.domain.report.tables import markdown_table
from swap_assets.domain.schemas import calls_fit_schemas
from swap_assets.domain.splits.capabilities import eval_cases, has_repaired_gold
from swap_assets.domain.splits.leakage import near_duplicates
from swap_assets.domain.splits.scale_split import TooFewRowsError, split_scale
from swap_assets.domain.splits.similarity import Request, boilerplate_of

_BINS = 24  # bars of a histogram
_TURN_SHAPES = 6  # the most frequent orders of roles; the others are summed up
LEAST_ROWS = 20  # below this a test split has two or three rows, and no interval says anything
# The guide's sizes; its release test has 500 rows.
_SMALL, _LARGE = Scale(train=100, validation=50, test=50), Scale(train=1000, validation=200, test=200)
_SHARES = {"train": 0.45, "validation": 0.1, "test": 0.15, "release": 0.2}  # the rest is slack for rows set aside


class LengthProfile(Frozen):
    """How long rows are, and how many of them a maximum length would cut."""

    name: str = Field(description="what was measured, by whose tokenizer")
    unit: str = Field(description="characters or tokens")
    count: int
    p50: int
    p95: int
    longest: int
    edges: tuple[int, ...] = Field(description="lower edges of the histogram's bars, ascending, in `unit`")
    counts: tuple[int, ...] = Field(description="rows by bar")
    limit: int | None = Field(default=None, description="maximum length in `unit`")
    over_limit: int = Field(default=0, description="rows that are longer than `limit`, so would be cut")


class DatasetProfile(Frozen):
    """The numbers of one loaded source; counts by name are ordered by count."""

    rows_in: int
    kept: int
    quarantined: dict[str, int] = Field(description="rows set aside, by reason")
    origins: dict[str, int]
    configs: dict[str, int] = Field(description="conversations by source and config")
    repairs: dict[str, int] = Field(description="conversations by what had to be repaired")
    repaired_gold: int = Field(description="conversations whose answer was repaired; never tested on")
    same_request: int = Field(description="conversations that share their passage or first request with another one")
    near_duplicates: int | None = Field(default=None, description="pairs of similar requests; None: not looked for")
    without_tools: int
    distractors: int = Field(description="conversations that are offered more tools than they call")
    turns: dict[str, int] = Field(description="conversations by their roles in order")
    calls_per_answer: dict[int, int] = Field(description="assistant turns by their number of calls")
    tools_offered: dict[int, int] = Field(description="conversations by the number of tools on offer")
    unfit_calls: int = Field(description="assistant turns with a call that does not fit its own schema")
    labels: dict[str, dict[str, int]] = Field(description="cases by label and value; one case for each assistant turn")
    lengths: tuple[LengthProfile, ...]
    warning: str = ""


def profile_source(
    loaded: LoadedSource, *, lengths: Sequence[LengthProfile] = (), look_for_near_duplicates: bool = True
) -> DatasetProfile:
    """Measure a source, with further `lengths`; looking for near-duplicates takes about half a second a thousand."""
    rows = loaded.conversations
    shared = boilerplate_of(rows)
    requests = [Request(row, shared) for row in rows]
    keys = Counter(request.key for request in requests)
    return DatasetProfile(
        rows_in=loaded.rows_in,
        kept=len(rows),
        quarantined=_counted(row.reason for row in loaded.quarantined),
        origins=_counted(row.provenance.origin for row in rows),
        configs=_counted(f"{row.provenance.source} {row.provenance.config}".strip() for row in rows),
        repairs=_counted(repair for row in rows for repair in row.repairs),
        repaired_gold=sum(has_repaired_gold(row) for row in rows),
        same_request=sum(count for count in keys.values() if count > 1),
        near_duplicates=len(near_duplicates(requests)) if look_for_near_duplicates else None,
        without_tools=sum(not row.tools for row in rows),
        distractors=sum({tool.name for tool in row.tools} - {call.name for turn in row.turns for call in turn.calls}
                        != set() for row in rows),
        turns=_counted(" ".join(turn.role for turn in row.turns) for row in rows),
        calls_per_answer=_by_number(len(turn.calls) for row in rows for turn in row.turns if turn.role == "assistant"),
        tools_offered=_by_number(len(row.tools) for row in rows),
        unfit_calls=sum(calls_fit_schemas(turn.calls, row.tools) is False
                        for row in rows for turn in row.turns if turn.calls),
        labels=_labels(rows),
        lengths=(*_character_lengths(rows), *lengths),
        warning=loaded.first_line_warning,
    )  # fmt: skip


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


def _by_number(numbers: Iterable[int]) -> dict[int, int]:
    return dict(sorted(Counter(numbers).items()))


def _labels(rows: Iterable[Conversation]) -> dict[str, dict[str, int]]:
    found: dict[str, list[str]] = {}
    for label, value in (entry for row in rows for case in eval_cases(row) for entry in case.labels.items()):
        found.setdefault(label, []).append(value)
    return {label: _counted(values) for label, values in sorted(found.items())}


def _character_lengths(rows: Sequence[Conversation]) -> list[LengthProfile]:
    answers = [len(turn.text) + sum(len(canonical_json(call.arguments)) + len(call.name) for call in turn.calls)
               for row in rows for turn in row.turns if turn.role == "assistant"]  # fmt: skip
    whole = [_characters(row) for row in rows]
    return [length_profile(name, lengths, unit="characters")
            for name, lengths in (("conversation", whole), ("answer", answers))]  # fmt: skip


def _characters(row: Conversation) -> int:
    tools = sum(len(tool.name) + len(tool.description) + len(canonical_json(tool.parameters)) for tool in row.tools)
    said = sum(len(turn.text) for turn in row.turns)
    passed = sum(len(canonical_json(item)) for turn in row.turns for item in (*turn.calls, *turn.responses))
    return len(row.system) + tools + said + passed


def length_profile(name: str, lengths: Sequence[int], *, unit: str, limit: int | None = None) -> LengthProfile:
    """Summarise lengths in `unit` (none: zeros): nearest-rank percentiles, equal bars from 0, those over `limit`."""
    ordered = sorted(lengths)
    longest = ordered[-1] if ordered else 0
    step = max(1, -(-(longest + 1) // _BINS))
    edges = tuple(range(0, longest + 1, step))
    counts = [0] * len(edges)
    for length in ordered:
        counts[bisect_right(edges, length) - 1] += 1
    return LengthProfile(
        name=name, unit=unit, count=len(ordered), p50=_percentile(ordered, 50), p95=_percentile(ordered, 95),
        longest=longest, edges=edges, counts=tuple(counts), limit=limit,
        over_limit=sum(length > limit for length in ordered) if limit is not None else 0,
    )  # fmt: skip


def _percentile(ordered: Sequence[int], percent: int) -> int:
    """Return the nearest-rank percentile: the smallest value with at least `percent` % of the values at or below it."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0


def profile_sentence(profile: DatasetProfile) -> str:
    """Say in one sentence what was read, what was not, and what can't be tested on."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in profile.quarantined.items())
    sentence = f"{profile.kept} of {profile.rows_in} rows kept" + (f" ({reasons} set aside)" if reasons else "")
    if profile.repaired_gold:
        sentence += f"; {profile.repaired_gold} have repaired answers, which are trained on and never tested on"
    return f"{sentence}."


def profile_markdown(profile: DatasetProfile) -> str:
    """Write the whole profile."""
    parts = [f"**{profile.warning}**" if profile.warning else "", profile_sentence(profile)]
    parts += (markdown_table(header, rows) for header, rows in _tables(profile))
    return "\n\n".join(part for part in parts if part) + "\n"


def _tables(profile: DatasetProfile) -> Iterator[tuple[Sequence[str], Iterable[Sequence[str]]]]:
    facts = {"share their passage or first request": profile.same_request,
             "are offered more tools than they call": profile.distractors,
             "are offered no tool": profile.without_tools,
             "have an answer that does not fit its own schema": profile.unfit_calls}  # fmt: skip
    if profile.near_duplicates is not None:
        facts["pairs of near-duplicate requests"] = profile.near_duplicates
    turns = dict(list(profile.turns.items())[:_TURN_SHAPES])
    if rest := sum(profile.turns.values()) - sum(turns.values()):
        turns[f"{len(profile.turns) - _TURN_SHAPES} other orders"] = rest
    yield ("what", "conversations"), _written(facts)
    yield ("source and config", "conversations"), _written(profile.configs)
    yield ("repair", "conversations"), _written(profile.repairs)
    labels = ((label, ", ".join(f"{value} {count:,}" for value, count in values.items()))
              for label, values in profile.labels.items())  # fmt: skip
    yield ("label", "cases (one for each assistant turn)"), labels
    yield ("calls in an answer", "assistant turns"), _written(profile.calls_per_answer)
    yield ("tools on offer", "conversations"), _written(profile.tools_offered)
    yield ("turns", "conversations"), _written(turns)
    yield ("length of a", "p50", "p95", "longest", "would be cut"), (
        (f"{item.name} ({item.unit})", f"{item.p50:,}", f"{item.p95:,}", f"{item.longest:,}",
         "–" if item.limit is None else f"{item.over_limit:,} of {item.count:,} over {item.limit:,}")
        for item in profile.lengths
    )  # fmt: skip


def _written(counts: Mapping[str, int] | Mapping[int, int]) -> Iterator[tuple[str, str]]:
    return ((str(name), f"{count:,}") for name, count in counts.items())


class ProposedSizes(Frozen):
    """Sizes that the data can fill; checked by splitting for them."""

    scales: dict[str, Scale]
    release_test: int


def propose_sizes(conversations: Sequence[Conversation], *, seed: int) -> ProposedSizes:
    """Return the largest sizes, at most the guide's, that the rows can fill; a TooFewRowsError where none would do."""
    if len(conversations) < LEAST_ROWS:
        raise TooFewRowsError(
            f"{len(conversations)} conversations are too few for an experiment; collect at least {LEAST_ROWS}, "
            "and some hundreds for a verdict with a narrow interval"
        )
    rows = float(len(conversations))
    for _ in range(20):
        proposed = _sizes(rows)
        try:
            split_scale(conversations, scale=[*proposed.scales][-1], scales=proposed.scales,
                        release_test=proposed.release_test, seed=seed)  # fmt: skip
            return proposed
        except TooFewRowsError:
            rows *= 0.9
    raise TooFewRowsError(
        f"too few of the {len(conversations)} conversations differ enough, or have answers read without repair, "
        "to keep tests apart from training; collect more varied ones"
    )


def _sizes(rows: float) -> ProposedSizes:
    large = Scale(train=max(1, min(_LARGE.train, int(rows * _SHARES["train"]))),
                  validation=min(_LARGE.validation, int(rows * _SHARES["validation"])),
                  test=max(1, min(_LARGE.test, int(rows * _SHARES["test"]))))  # fmt: skip
    fits = large.train > _SMALL.train and large.validation >= _SMALL.validation and large.test >= _SMALL.test
    return ProposedSizes(scales={"small": _SMALL, "large": large} if fits else {"small": large},
                         release_test=min(500, int(rows * _SHARES["release"])))  # fmt: skip
