"""What was measured of one candidate on one scale, or why nothing was; scoring itself lives in `scoring`."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from swap_assets.domain.formats.base import AnswerFormat, Interface, Track
from swap_assets.domain.keys import Candidate
from swap_assets.domain.model import EvalCase, Frozen, content_hash
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.scoring.aggregation import summarise
from swap_assets.domain.scoring.row_scoring import score_all
from swap_assets.domain.scoring.scores import EvalSummary, RowScore

Status = Literal["evaluated", "skipped", "failed", "absent"]
# Every figure that a gate may read of a row, beside those of metrics that compute their own.
_FIGURES = tuple(sorted(name for name, field in RowScore.model_fields.items() if field.annotation == float | None))


class Totals(Frozen):
    """What the answers took: tokens, cost in the experiment's currency (None: no price), latency in seconds.

    `first_token_*` are over the answers that arrived in pieces, None where none did.
    `latency_kind` "batch_share" means that rows were answered in batches and each carries an even share of its
    batch's time: good for throughput, not comparable with a request's own latency. `cut_*` count answers that did not
    end by themselves, `thinking_tokens` those of `completion_tokens` that came before an answer.
    """

    answers: int = 0
    thinking_tokens: int = 0
    cut_length: int = 0
    cut_repetition: int = 0
    cut_second_turn: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    latency_p99_s: float | None = None
    latency_kind: str = "request"
    first_token_p50_s: float | None = None
    first_token_p95_s: float | None = None
    first_token_p99_s: float | None = None

    @property
    def unended(self) -> int:
        """How many answers did not end by themselves."""
        return self.cut_length + self.cut_repetition + self.cut_second_turn


class Served(Frozen):
    """Who gave the answers, as far as the records say; several names or fingerprints are several models in one run."""

    engines: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    interface: Interface = Interface.TEXT
    epoch: str = "first"


class TrackResult(Frozen):
    """One candidate's answers in one answer format: the summary, its rows, what they took and who gave them."""

    summary: EvalSummary
    rows: tuple[RowScore, ...]
    totals: Totals = Totals()
    prompt_hash: str = ""
    served: Served = Served()


class Evaluation(Frozen):
    """All tracks of one candidate; `status` skipped, failed or absent comes with its reason and no results."""

    candidate: Candidate
    status: Status = "evaluated"
    reason: str = ""
    results: dict[Track, TrackResult] = Field(default_factory=dict)
    dataset_hash: str = ""
    artefact_hash: str = ""

    def track(self, track: Track) -> TrackResult | None:
        """Return the results of a track, None where it was not measured."""
        return self.results.get(track)

    def evidence_hash(self) -> str:
        """Hash what was measured row by row, since decisions compare in pairs, without time and cost."""
        scores = {track.value: result.summary.model_dump(mode="json") for track, result in self.results.items()}
        rows = {
            track.value: [[row.case_id, *(getattr(row, name) for name in _FIGURES),
                           *(row.values[name] for name in sorted(row.values))] for row in result.rows]
            for track, result in self.results.items()
        }  # fmt: skip
        return content_hash(self.candidate.id, self.status, scores, rows, self.dataset_hash, self.artefact_hash)


def not_evaluated(candidate: Candidate, status: Status, reason: str) -> Evaluation:
    """Return the record of a candidate that has no results, and why."""
    return Evaluation(candidate=candidate, status=status, reason=reason)


def totals(records: Sequence[PredictionRecord]) -> Totals:
    """Add up tokens and cost of the answers that were obtained, with latency percentiles (nearest rank)."""
    obtained = [record for record in records if record.obtained]
    costs = [record.cost for record in obtained if record.cost is not None]
    seconds = [record.latency_s for record in obtained]
    first = [record.first_token_s for record in obtained if record.first_token_s is not None]
    kinds, ended = {record.latency_kind for record in obtained}, Counter(record.finish_reason for record in obtained)
    return Totals(
        answers=len(obtained), prompt_tokens=sum(record.usage.prompt_tokens for record in obtained),
        completion_tokens=sum(record.usage.completion_tokens for record in obtained),
        thinking_tokens=sum(record.usage.thinking_tokens for record in obtained),
        cut_length=ended["length"], cut_repetition=ended["repetition"], cut_second_turn=ended["second_turn"],
        cost=sum(costs) if costs else None, latency_kind=kinds.pop() if len(kinds) == 1 else "request",
        **{f"latency_p{percent}_s": _nearest_rank(seconds, percent) for percent in (50, 95, 99)},
        **{f"first_token_p{percent}_s": _nearest_rank(first, percent) for percent in (50, 95, 99)},
    )  # fmt: skip


def served(records: Sequence[PredictionRecord]) -> Served:
    """Gather who gave the answers; a ValueError where they are of several interfaces or epochs, never mixed."""
    asked = {(record.interface, record.epoch) for record in records}
    if len(asked) > 1:
        raise ValueError("the records are of several interfaces or epochs: keep those of one and score again")
    interface, epoch = asked.pop() if asked else (Interface.TEXT, "first")
    obtained = [record for record in records if record.obtained]
    told = {
        "engines": "engine", "models": "served_model", "fingerprints": "fingerprint", "deployments": "deployment",
        "api_versions": "api_version",
    }  # fmt: skip
    distinct = {name: {getattr(record, field) for record in obtained} - {""} for name, field in told.items()}
    return Served(
        **{name: tuple(sorted(texts)) for name, texts in distinct.items()},
        seeds=tuple(sorted({record.seed for record in obtained if record.seed is not None})), interface=interface,
        epoch=epoch,
    )  # fmt: skip


def _nearest_rank(values: Sequence[float], percent: int) -> float | None:
    return sorted(values)[max(0, -(-percent * len(values) // 100) - 1)] if values else None


def measure(
    candidate: Candidate, answer_format: AnswerFormat, *, cases: Sequence[EvalCase], records: Sequence[PredictionRecord]
) -> TrackResult:
    """Score a candidate's answers in one answer format; a case without an answer stays, unscored and counted."""
    rows = score_all(cases, records)
    prompts = {record.prompt_hash for record in records}
    return TrackResult(
        summary=summarise(candidate.id, answer_format, rows), rows=tuple(rows), totals=totals(records),
        prompt_hash=prompts.pop() if len(prompts) == 1 else "", served=served(records),
    )  # fmt: skip


def union_of_cases(*splits: Sequence[EvalCase]) -> list[EvalCase]:
    """Return the cases of several test splits once each, in order, with the labels and split names of all of them."""
    found: dict[str, EvalCase] = {}
    for case in (case for split in splits for case in split):
        before = found.get(case.id, case)
        labels, served = before.labels | case.labels, dict.fromkeys((*before.splits, *case.splits))
        found[case.id] = before.model_copy(update={"labels": labels, "splits": tuple(served)})
    return list(found.values())


def hash_of_cases(cases: Sequence[EvalCase]) -> str:
    """Name a set of cases by its content, whatever the order."""
    return content_hash(sorted(content_hash(case) for case in cases))
