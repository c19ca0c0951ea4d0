"""What changed since the scale's previous report, and why: by the hashes of data, model, prompt, LLM, settings."""

from collections.abc import Iterable, Mapping, Sequence

from swap_assets.domain.keys import Form
from swap_assets.domain.model import Frozen
from swap_assets.domain.report.figures import Figure
from swap_assets.domain.report.wording import TRACK_TITLES, display_name
from swap_assets.domain.scoring.evaluation import Evaluation, Served

UNKNOWN = "not recorded"


class Cause(Frozen):
    """One thing that is not what it was: its name, and the hashes or texts before and now."""

    what: str
    before: str
    now: str


class Movement(Frozen):
    """A candidate's field F1 in one track, before and now, as shares of 1; None where it was not measured."""

    name: str
    track: str
    before: float | None
    now: float | None


class Changes(Frozen):
    """What is different from the previous report. `note` says why nothing could be compared, where that is so."""

    previous_at: str = ""
    previous_hash: str = ""
    note: str = ""
    causes: tuple[Cause, ...] = ()
    movements: tuple[Movement, ...] = ()
    verdict_before: str = ""


def facts_of(evaluations: Sequence[Evaluation]) -> dict[str, str]:
    """Return the hashes of what was measured: the test rows, each candidate's weights, and its prompt in each track."""
    found: dict[str, str] = {}
    for item in evaluations:
        name = display_name(item.candidate.id)
        found["test rows"] = item.dataset_hash or UNKNOWN
        if item.artefact_hash:
            found[f"weights of {name}"] = item.artefact_hash
        for track, result in item.results.items():
            form = TRACK_TITLES[track].lower()
            found[f"prompt of {name}, {form}"] = result.prompt_hash or UNKNOWN
            if item.candidate.form is Form.HOSTED:
                found[f"served as, {form}"] = _served(result.served)
    return found


def _served(served: Served) -> str:
    """Return what the service said of itself: a hosted model may change under its name."""
    told = {key: value for key, value in served.model_dump(mode="json").items() if value}
    words = (
        f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}" for key, value in told.items()
    )
    return "; ".join(words) or UNKNOWN


def causes(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[Cause, ...]:
    """Return the recorded facts that differ; one that only one of the two knows counts as different."""
    return tuple(
        Cause(what=key, before=before.get(key, UNKNOWN), now=now.get(key, UNKNOWN))
        for key in sorted({*before, *now})
        if before.get(key, UNKNOWN) != now.get(key, UNKNOWN)
    )


def movements(before: Iterable[Figure], now: Iterable[Figure]) -> tuple[Movement, ...]:
    """Return the candidates whose field F1 is not what it was."""
    then, today = _scores(before), _scores(now)
    return tuple(
        Movement(name=name, track=track, before=then.get((name, track)), now=today.get((name, track)))
        for name, track in sorted({*then, *today})
        if then.get((name, track)) != today.get((name, track))
    )


def _scores(figures: Iterable[Figure]) -> dict[tuple[str, str], float | None]:
    return {
        (display_name(item.candidate_id), TRACK_TITLES[item.track]): item.value
        for item in figures
        if (item.split, item.metric) == ("", "field_f1")
    }
