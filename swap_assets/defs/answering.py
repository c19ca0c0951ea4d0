"""Having candidates answer stored rows, and scoring what they said: the local ones and the hosted LLM."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg

from swap_assets.defs.resources.processes import HostedLlm, ModelProcesses
from swap_assets.defs.resources.store import ExperimentStore
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.formats.base import Interface, Track
from swap_assets.domain.judging.contrasts import DECIDING_TRACK
from swap_assets.domain.keys import Candidate
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult, hash_of_cases, measure
from swap_assets.domain.weights import Artefact


def local_evaluation(
    context: dg.AssetExecutionContext,
    store: ExperimentStore,
    processes: ModelProcesses,
    *,
    candidate: Candidate,
    artefacts: Sequence[Artefact],
    files: tuple[Path, ...],
    purpose: str = "answers",
) -> Evaluation:
    """Ask a local candidate every stored case, with each artefact in its track, and return its evaluation."""
    with store.recording_failure(context):
        records, weights = processes.answers(context, candidate, artefacts, files, purpose=purpose)
        cases = store.cases(files)
        results = {
            item.answer_format.track: measure(
                candidate, item.answer_format, cases=cases, records=records[item.answer_format.track]
            )
            for item in artefacts
        }
    return Evaluation(candidate=candidate, results=results, dataset_hash=hash_of_cases(cases), artefact_hash=weights)


def hosted_results(
    context: dg.AssetExecutionContext,
    store: ExperimentStore,
    hosted: HostedLlm,
    cases: Sequence[EvalCase],
    interfaces: Mapping[Track, Interface],
    *,
    candidate: Candidate,
    purpose: str,
    epoch: str,
) -> dict[Track, TrackResult]:
    """Ask the hosted LLM cases in some tracks and return how it scored in each."""
    with store.recording_failure(context):
        records = hosted.answers(candidate, cases, interfaces, purpose=purpose, epoch=epoch, log=context.log.info)
    return {
        track: measure(candidate, answers[0].answer_format, cases=cases, records=answers)
        for track, answers in records.items()
    }


def hosted_as_before(
    context: dg.AssetExecutionContext,
    store: ExperimentStore,
    hosted: HostedLlm,
    cases: Sequence[EvalCase],
    *,
    llm: Evaluation,
    purpose: str,
    epoch: str,
) -> Evaluation:
    """Ask the hosted LLM cases in the deciding track, through the interface of its earlier evaluation."""
    interfaces = {DECIDING_TRACK: llm.results[DECIDING_TRACK].served.interface}
    results = hosted_results(
        context, store, hosted, cases, interfaces, candidate=llm.candidate, purpose=purpose, epoch=epoch
    )
    return Evaluation(candidate=llm.candidate, results=results, dataset_hash=hash_of_cases(cases))


def deciding(artefacts: Sequence[Artefact]) -> list[Artefact]:
    """Return what answers in the track that decides."""
    return [item for item in artefacts if item.answer_format.track is DECIDING_TRACK]
