"""Measuring the hosted and the released models again, in a new epoch and beside the earlier one.

What the gates read stays untouched: a nightly look must not make every decision stale and start every training again.
"""

from pathlib import Path

import dagster as dg
from pydantic import Field

from swap_assets.defs import metadata
from swap_assets.defs.answering import local_evaluation
from swap_assets.defs.partitions import SCALES, scale_of
from swap_assets.defs.pipes import MODEL_PROCESS_POOL, WorkerClient
from swap_assets.defs.resources import Lab
from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.judging.contrasts import DECIDING_TRACK
from swap_assets.domain.judging.drift import Drift, DriftReport, Measurement, drift
from swap_assets.domain.keys import TEST_SPLITS, Candidate, Form, partition_key
from swap_assets.domain.merged_model import MergedModel
from swap_assets.domain.scoring.evaluation import Evaluation, hash_of_cases, measure

_KEPT = "drift_measurement"


class DriftConfig(dg.Config):
    """Which measurement this is; the schedule gives the time it was due."""

    epoch: str = Field(default="", description="a name never used before; empty: the time now")


@dg.asset(
    partitions_def=SCALES,
    deps=["llm_baseline", "release_decision", "merged_model", *TEST_SPLITS],
    pool=MODEL_PROCESS_POOL,
    kinds={"openai", "huggingface"},
)
def drift_check(
    context: dg.AssetExecutionContext, config: DriftConfig, lab: Lab, worker: WorkerClient
) -> dg.MaterializeResult[DriftReport]:
    """Whether the hosted or a released model answers the scale's test rows otherwise than when last measured."""
    scale, epoch = scale_of(context), config.epoch or lab.now()
    llm = lab.evidence(scale).llm
    found = [_held_against_before(lab, _hosted_again(context, lab, llm, epoch), llm, epoch)]
    for before in _released(lab, scale):
        found.append(_held_against_before(lab, _local_again(context, lab, worker, before, epoch), before, epoch))
    for item in found:
        if item.verdict == "drifted":
            context.log.warning("%s %s", item.sentence, lab.alert(f"{lab.experiment.name}: {item.sentence}"))
    report = DriftReport(scale=scale, epoch=epoch, found=tuple(found))
    shown = {item.candidate_id: f"{item.verdict}: {item.sentence}" for item in found}
    return dg.MaterializeResult(value=report, metadata={"epoch": epoch, "verdicts": metadata.markdown(
        "\n\n".join(f"**{name}**: {text}" for name, text in shown.items()))})  # fmt: skip


def _held_against_before(lab: Lab, now: Evaluation, first: Evaluation, epoch: str) -> Drift:
    """Compare with the last look, or with the evidence of the decisions at the first one, and keep what is new."""
    key = now.candidate.id
    there = lab.store.exists(_KEPT, key, Measurement)
    before = lab.store.read(_KEPT, key, Measurement) if there else Measurement(epoch="first", evaluation=first)
    measured = Measurement(epoch=epoch, evaluation=now)
    policy = lab.experiment.gates
    found = drift(measured, before, metric=policy.primary, margin_points=policy.release.margin_points)
    lab.store.write(_KEPT, key, measured, kind=Measurement)
    return found


def _hosted_again(context: dg.AssetExecutionContext, lab: Lab, llm: Evaluation, epoch: str) -> Evaluation:
    """Ask the hosted model the deciding track's test rows through the interface that counts."""
    cases, before = lab.test_cases(llm.candidate.scale), llm.results[DECIDING_TRACK]
    interfaces = {DECIDING_TRACK: before.served.interface}
    with lab.recording_failure(context):
        lab.require_hosted()
        records = lab.hosted_answers(
            llm.candidate, cases, interfaces, purpose="drift", epoch=epoch, log=context.log.info
        )
    measured = measure(llm.candidate, before.summary.answer_format, cases=cases, records=records[DECIDING_TRACK])
    return Evaluation(candidate=llm.candidate, results={DECIDING_TRACK: measured}, dataset_hash=hash_of_cases(cases))


def _released(lab: Lab, scale: str) -> list[Evaluation]:
    """Return what was measured of each model in use: its merged weights, else the candidate that was released."""
    evidence, found = lab.evidence(scale), []
    for model in lab.experiment.models:
        merged, decision = (
            evidence.merged(model),
            evidence.state.decision("release_decision", partition_key(model, scale)),
        )
        if merged and merged.status == "evaluated":
            found.append(merged)
        elif decision and decision.action == "release":
            released = evidence.of(Candidate.from_id(decision.candidates[0]))
            found += [released] if released.status == "evaluated" else []
    return found


def _local_again(
    context: dg.AssetExecutionContext, lab: Lab, worker: WorkerClient, before: Evaluation, epoch: str
) -> Evaluation:
    """Ask a local model again; answers are kept by epoch, so that no look is answered from an earlier one's."""
    chosen = before.candidate
    return local_evaluation(
        context, lab, worker, candidate=chosen, cases=lab.test_cases(chosen.scale),
        answers_with={DECIDING_TRACK: _served_from(lab, chosen)}, purpose=f"drift {epoch}",
    )  # fmt: skip


def _served_from(lab: Lab, chosen: Candidate) -> tuple[AnswerFormat, Path | None]:
    """Return the answer format of the deciding track, and the folder to answer with: an adapter, or merged weights."""
    trained = chosen.model_copy(update={"form": Form.ADAPTER}) if chosen.form is Form.MERGED else chosen
    adapters = [item for item in lab.adapters_of(trained) if item.answer_format.track is DECIDING_TRACK]
    if not adapters:
        return lab.bench.baseline_format(DECIDING_TRACK), None
    name, answer_format, folder = adapters[0]
    if chosen.form is Form.MERGED:
        folder = Path(lab.store.read("merged_model", chosen.partition, MergedModel).folders[name])
    return answer_format, folder
