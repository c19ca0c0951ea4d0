"""A data set's profile as Markdown, for the terminal and the UI alike: the sentence first, then the tables."""

from collections.abc import Iterable, Mapping

from swap_assets.domain.profile.profile import DatasetProfile, LengthProfile
from swap_assets.domain.report.tables import markdown_table

_TURN_SHAPES = 6  # the most frequent orders of roles; the others are summed up


def profile_sentence(profile: DatasetProfile) -> str:
    """Say in one sentence what was read, what was not, and what can't be tested on."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in profile.quarantined.items())
    sentence = f"{profile.kept} of {profile.rows_in} rows kept" + (f" ({reasons} set aside)" if reasons else "")
    if profile.repaired_gold:
        sentence += f"; {profile.repaired_gold} have repaired answers, which are trained on and never tested on"
    return f"{sentence}."


def profile_markdown(profile: DatasetProfile) -> str:
    """Write the whole profile."""
    parts = [
        f"**{profile.warning}**" if profile.warning else "",
        profile_sentence(profile),
        _counts("what", "conversations", _facts(profile)),
        _counts("source and config", "conversations", profile.configs),
        _counts("repair", "conversations", profile.repairs),
        _labels(profile.labels),
        _counts("calls in an answer", "assistant turns", profile.calls_per_answer),
        _counts("tools on offer", "conversations", profile.tools_offered),
        _counts("turns", "conversations", _shortened(profile.turns)),
        _lengths(profile.lengths),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(profile: DatasetProfile) -> dict[str, int]:
    facts = {
        "share their passage or first request": profile.same_request,
        "are offered more tools than they call": profile.distractors,
        "are offered no tool": profile.without_tools,
        "have an answer that does not fit its own schema": profile.unfit_calls,
    }
    if profile.near_duplicates is not None:
        facts["pairs of near-duplicate requests"] = profile.near_duplicates
    return facts


def _counts(what: str, of: str, counts: Mapping[str, int] | Mapping[int, int]) -> str:
    return markdown_table([what, of], [[str(name), f"{count:,}"] for name, count in counts.items()])


def _labels(labels: Mapping[str, Mapping[str, int]]) -> str:
    rows = [
        [label, ", ".join(f"{value} {count:,}" for value, count in values.items())] for label, values in labels.items()
    ]
    return markdown_table(["label", "cases (one for each assistant turn)"], rows)


def _shortened(turns: Mapping[str, int]) -> dict[str, int]:
    entries = list(turns.items())
    shown = dict(entries[:_TURN_SHAPES])
    if rest := sum(count for _, count in entries[_TURN_SHAPES:]):
        shown[f"{len(entries) - _TURN_SHAPES} other orders"] = rest
    return shown


def _lengths(lengths: Iterable[LengthProfile]) -> str:
    rows = [
        [
            f"{item.name} ({item.unit})",
            f"{item.p50:,}",
            f"{item.p95:,}",
            f"{item.longest:,}",
            "–" if item.limit is None else f"{item.over_limit:,} of {item.count:,} over {item.limit:,}",
        ]
        for item in lengths
    ]
    return markdown_table(["length of a", "p50", "p95", "longest", "would be cut"], rows)
