"""Asking the experiment's hosted model every case in every track; a stand-in's server runs for just as long."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from swap_assets.backends.engines.hosted import ask_hosted
from swap_assets.backends.models import miniatures
from swap_assets.backends.models.provenance import weights_hash
from swap_assets.backends.processes.spec_building import RECORDS_FILE
from swap_assets.backends.processes.specs import Weights
from swap_assets.backends.serving.stand_in import served_model
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.formats.base import Interface, Track
from swap_assets.domain.formats.native_interface import format_of
from swap_assets.domain.keys import Candidate
from swap_assets.domain.predictions import PredictionRecord

CACHE_FILE = "answers.sqlite3"


class _Server(NamedTuple):
    base_url: str = ""
    name: str = ""
    artefact_hash: str = ""


def hosted_answers(
    experiment: Experiment,
    store: ArtefactStore,
    candidate: Candidate,
    cases: Sequence[EvalCase],
    interfaces: Mapping[Track, Interface],
    *,
    purpose: str = "answers",
    epoch: str = "first",
    say: Callable[[str], None],
) -> dict[Track, list[PredictionRecord]]:
    """Return the hosted model's records for each track, in the order of the cases.

    Args:
        experiment: Which hosted model, and how it is asked.
        store: Where records and kept answers lie.
        candidate: Whose records they are.
        cases: The questions.
        interfaces: Which tracks to ask, and how.
        purpose: Names the records' folder.
        epoch: The measurement; another one asks everything again.
        say: Takes progress lines.

    Raises:
        HostedError: the model cannot be asked; one sentence that says what to do.
        ServingError: the stand-in's server did not come up.
    """
    answers: dict[Track, list[PredictionRecord]] = {}
    with _server(experiment, store, candidate) as server:
        for track, interface in interfaces.items():
            answer_format = format_of(track, interface, text_format=experiment.baseline_formats.of(track))
            folder = store.work(purpose, candidate.id, answer_format.name)
            done = ask_hosted(
                experiment.hosted_model,
                cases,
                answer_format=answer_format,
                candidate_id=candidate.id,
                output=folder / RECORDS_FILE,
                cache=store.work("hosted") / CACHE_FILE,
                epoch=epoch,
                interface=interface,
                base_url=server.base_url,
                served_name=server.name,
                artefact_hash=server.artefact_hash,
                say=say,
            )
            answers[track] = list(done.records)
    return answers


@contextlib.contextmanager
def _server(experiment: Experiment, store: ArtefactStore, candidate: Candidate) -> Iterator[_Server]:
    model = experiment.hosted_model
    if model.provider != "stand-in":
        yield _Server()
        return
    folder = miniatures.path(model.model)
    weights = Weights(source=str(folder), dtype="float32")
    workdir = store.work("server", candidate.id)
    with served_model(weights, workdir=workdir, threads=experiment.threads or 1) as endpoint:
        yield _Server(endpoint.base_url, endpoint.model, weights_hash(str(folder)))
