"""Which interface of a hosted model counts: fixed on validation rows, before any test row is asked."""

from collections.abc import Mapping, Sequence
from itertools import product

from pydantic import Field

from swap_assets.domain.formats.base import Interface, Track
from swap_assets.domain.model import Frozen, content_hash
from swap_assets.domain.scoring.evaluation import TrackResult


class InterfaceScore(Frozen):
    """What one interface reached on the validation rows.

    `value` is the metric over all rows, a row without an answer counting 0: an interface that gets no answers is no
    good. None where no row was answered.
    """

    interface: Interface
    value: float | None
    rows: int
    unscored: int
    cost: float | None = None


class TrackChoice(Frozen):
    """The interface that counts for one track, with what it rests on."""

    interface: Interface
    reason: str
    scores: tuple[InterfaceScore, ...] = ()


class InterfaceChoice(Frozen):
    """The interface of each track at one scale; without `scores` it was fixed by the experiment file."""

    model: str
    scale: str
    metric: str
    tracks: dict[Track, TrackChoice]
    dataset_hash: str = ""
    epoch: str = Field(default="first", description="the measurement in which the validation rows were asked")

    def interfaces(self) -> dict[Track, Interface]:
        """Return the chosen interface of each track."""
        return {track: choice.interface for track, choice in self.tracks.items()}

    def content(self) -> str:
        """Hash what was chosen and on what, leaving out cost."""
        tracks = {
            track.value: [one.interface, one.reason, [score.model_dump(exclude={"cost"}) for score in one.scores]]
            for track, one in self.tracks.items()
        }
        return content_hash(self.model, self.scale, self.metric, tracks, self.dataset_hash)


def fixed(interface: Interface) -> TrackChoice:
    """Return the choice that the experiment file made by listing one interface."""
    return TrackChoice(interface=interface, reason=f"hosted_model.interfaces lists {interface.value} alone")


def choose(scores: Sequence[InterfaceScore], metric: str) -> TrackChoice:
    """Choose the interface with the higher value; at the same value the one that is listed first.

    Raises:
        ValueError: no row was answered through any interface.
    """
    measured = {score.interface: score.value for score in scores if score.value is not None}
    if not measured:
        raise ValueError("the hosted model answered no validation row through any interface; see the records' errors")
    best = max(measured, key=lambda interface: measured[interface])
    shown = ", ".join(f"{interface.value} {100 * value:.1f}" for interface, value in measured.items())
    others = [score.interface.value for score in scores if score.interface not in measured]
    without = f"; no answers through {' and '.join(others)}" if others else ""
    reason = f"{metric} on {scores[0].rows} validation rows, in percent: {shown}{without}"
    return TrackChoice(interface=best, reason=reason, scores=tuple(scores))


def choose_all(results: Mapping[Interface, Mapping[Track, TrackResult]], metric: str) -> dict[Track, TrackChoice]:
    """Choose for each track among the results of several interfaces, in the order in which they are listed."""
    scores: dict[Track, list[InterfaceScore]] = {track: [] for track in Track}
    for interface, track in product(results, Track):
        result = results[interface][track]
        value, rows, unscored = result.summary.value(metric), result.summary.cases, result.summary.unscored
        value = None if value is None else value * (rows - unscored) / rows
        known = {"rows": rows, "unscored": unscored, "cost": result.totals.cost}
        scores[track].append(InterfaceScore(interface=interface, value=value, **known))
    return {track: choose(found, metric) for track, found in scores.items()}
