"""Having a local candidate answer the test rows in a process of its own, and scoring what it said."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from swap_assets.defs.pipes import WorkerClient
from swap_assets.defs.resources import Lab
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.formats.base import AnswerFormat, Track
from swap_assets.domain.keys import Candidate
from swap_assets.domain.model import content_hash
from swap_assets.domain.scoring.evaluation import Evaluation, hash_of_cases, measure

# For each track: the answer format to answer in, and the folder of the adapter to answer with (None: the base itself).
AnswersWith = Mapping[Track, tuple[AnswerFormat, Path | None]]


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
    """Ask a local candidate every case in each track, all in one process, and return its evaluation."""
    with lab.recording_failure(context):
        lab.require_model(candidate.model)
        work = [
            lab.bench.generation(candidate, answer_format, cases, adapter=adapter, purpose=purpose)
            for answer_format, adapter in answers_with.values()
        ]
        done = worker.run_all(context, work)
        results = {
            track: measure(candidate, answer_format, cases=cases, records=lab.read_predictions(spec.output))
            for (track, (answer_format, _)), (spec, _) in zip(answers_with.items(), work, strict=True)
        }
    artefacts = [answered.artefact_hash for answered in done if answered.kind == "generate"]
    return Evaluation(
        candidate=candidate,
        results=results,
        dataset_hash=hash_of_cases(cases),
        artefact_hash=content_hash(artefacts),
    )
