"""Having a local candidate answer the test rows in a process of its own, and scoring what it said."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from swap_assets.defs.pipes import WorkerClient
from swap_assets.defs.resources import Lab
from swap_assets.domain.candidates import Candidate
from swap_assets.domain.contracts import Contract, Track
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.evaluation import Evaluation, TrackResult, hash_of_cases, measure
from swap_assets.domain.model import content_hash

# For each track: the contract to answer in, and the folder of the adapter to answer with (None: the base itself).
AnswersWith = Mapping[Track, tuple[Contract, Path | None]]


def local_evaluation(
    context: dg.AssetExecutionContext,
    lab: Lab,
    worker: WorkerClient,
    *,
    candidate: Candidate,
    cases: list[EvalCase],
    answers_with: AnswersWith,
    purpose: str = "answers",
) -> Evaluation:
    """Ask a local candidate every case in each track, one process a track, and return its evaluation."""
    results: dict[Track, TrackResult] = {}
    artefacts: list[str] = []
    with lab.recording_failure(context):
        lab.require_model(candidate.model)
        for track, (contract, adapter) in answers_with.items():
            spec, folder = lab.bench.generation(candidate, contract, cases, adapter=adapter, purpose=purpose)
            done = worker.run(context, spec, workdir=folder)
            assert done.kind == "generate"
            artefacts.append(done.artefact_hash)
            results[track] = measure(candidate, contract, cases=cases, records=lab.read_predictions(spec.output))
    return Evaluation(
        candidate=candidate,
        results=results,
        dataset_hash=hash_of_cases(cases),
        artefact_hash=content_hash(artefacts),
    )
