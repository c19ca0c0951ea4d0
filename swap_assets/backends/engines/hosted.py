"""The engine `hosted`: Azure OpenAI, OpenAI, or any server that speaks their language.

Runs in the calling process: it waits for the network and loads no model. What was answered is in the cache and is never
asked twice in a measurement epoch; the file of records is made from it anew, with today's parser and prices. How one
request is asked lives in `backends/hosted`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from swap_assets.backends.engines.generation import Answered, Engine, Job, answer_cases
from swap_assets.backends.hosted.asking import Asking, Unanswered
from swap_assets.backends.hosted.cache import AnswerCache
from swap_assets.backends.hosted.clients import HostedError, open_client
from swap_assets.backends.hosted.messages import Reply, Requests
from swap_assets.backends.models.provenance import miniature_folder, weights_hash
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.spec_building import RECORDS_FILE
from swap_assets.backends.processes.specs import Weights
from swap_assets.backends.serving.servers import Server, served_model
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.domain.experiment.costs import estimate_answers
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.formats.base import Interface, Track
from swap_assets.domain.formats.native_interface import format_of
from swap_assets.domain.keys import Candidate
from swap_assets.domain.model import EvalCase, canonical_json
from swap_assets.domain.predictions import Answer, PredictionRecord, Said

CACHE_FILE = "answers.sqlite3"
# Characters of a median answer of Hermes' call rows, where nothing was answered yet to take the mean of.
_ANSWER_CHARACTERS = 200.0
_CHARACTERS_PER_TOKEN = 4.0


class HostedEngine(Engine):
    """One hosted model in one answer format through one interface, its answers kept in a cache."""

    name = "hosted"

    def __init__(self, asking: Asking, requests: Requests, cache: AnswerCache) -> None:
        super().__init__()
        self._asking, self._requests, self._cache = asking, requests, cache
        self.prompt_hash, self.constants = requests.prompt_hash, requests.constants
        self.retries, self._estimated = asking.retries, 0

    def request_hashes(self, cases: Sequence[EvalCase]) -> dict[str, str]:
        """Name each case's request by who is asked, its whole body and the epoch."""
        self._bodies: dict[str, dict] = {case.id: self._requests.body(case) for case in cases}
        self._keys = {name: self._requests.key(body) for name, body in self._bodies.items()}
        return self._keys

    def remembered(self, cases: Sequence[EvalCase]) -> list[Answer]:
        """Return what the cache holds."""
        self._known = self._cache.find(self._keys.values())
        return [self._answer(case, self._known[key]) for case in cases if (key := self._keys[case.id]) in self._known]

    def plan(self, missing: Sequence[EvalCase]) -> str:
        """Say what asking is expected to take, before the first call."""
        model = self._asking.model
        if not missing:
            return f"nothing to ask {model.key}"
        prompt = sum(len(canonical_json(self._bodies[case.id])) for case in missing) / len(missing)
        measured = [reply.usage.completion_tokens for reply in self._known.values() if reply.usage.completion_tokens]
        answer = _CHARACTERS_PER_TOKEN * sum(measured) / len(measured) if measured else _ANSWER_CHARACTERS
        estimate = estimate_answers(
            calls=len(missing), prompt_characters=prompt, answer_characters=answer, price=model.price
        )
        cost = "no price" if estimate.cost is None else f"{estimate.cost:.4f} in money"
        return (
            f"estimate for {estimate.calls} calls: {estimate.prompt_tokens:,} tokens in, "
            f"{estimate.completion_tokens:,} out, {cost}{self._asking.budget_left()}"
        )

    def answers(self, cases: Sequence[EvalCase]) -> Iterator[list[Answer]]:
        """Ask, the first case alone: a bad key, a wrong deployment or an unknown parameter costs one call, not many.

        Raises:
            HostedError: asking on is pointless, or the budget is reached; those under way were let finish.
        """
        outcomes: asyncio.Queue[Answer | Exception | None] = asyncio.Queue()

        async def ask(case: EvalCase, *, first: bool = False) -> None:
            try:
                outcomes.put_nowait(await self._outcome(case, first=first))
            except Exception as error:  # no outcome may be lost, or somebody waits for it for ever
                outcomes.put_nowait(error)

        async def begin() -> list[asyncio.Task[None]]:
            return [asyncio.ensure_future(ask(case)) for case in cases[1:]]

        with asyncio.Runner() as runner:
            try:
                runner.run(ask(cases[0], first=True))
                yield self._arrived([outcomes.get_nowait()])
                tasks, waited = runner.run(begin()), 0
                while waited < len(tasks):
                    found = [runner.run(outcomes.get())]
                    found += [outcomes.get_nowait() for _ in range(outcomes.qsize())]
                    waited += len(found)
                    yield self._arrived(found)
            finally:
                runner.run(self._asking.client.close())
                self.calls = self._asking.calls
        if self._asking.stopped:
            raise self._asking.stopped

    def summary(self) -> list[str]:
        """Count what was asked again, by reason."""
        tally = ", ".join(f"{count} x {kind}" for kind, count in sorted(self.retries.items()))
        told = [f"{self.calls} calls to {self._asking.model.key}" + (f"; asked again after {tally}" if tally else "")]
        if self._estimated:
            told += [f"{self._estimated} answers told no usage that can be read: they are charged their estimate"]
        return told

    @staticmethod
    def _arrived(outcomes: list[Answer | Exception | None]) -> list[Answer]:
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return [outcome for outcome in outcomes if isinstance(outcome, Answer)]

    async def _outcome(self, case: EvalCase, *, first: bool) -> Answer | None:
        """Return a case's answer, or that it could not be had; None where everything was stopped."""
        try:
            reply = await self._asking.ask(self._keys[case.id], self._bodies[case.id], first=first)
            self._estimated += reply.estimated
            return self._answer(case, reply)
        except Unanswered as error:
            return self._answer(case, Reply(finish_reason="error"), error=str(error))
        except HostedError:
            return None  # `Asking.stopped` keeps it

    def _answer(self, case: EvalCase, reply: Reply, *, error: str = "") -> Answer:
        model, usage = self._asking.model, reply.usage
        said: Any = {name: getattr(reply, name) for name in Said.model_fields if name != "text"}
        return Answer(
            **said,
            text=self._requests.text_of(case, reply),
            case_id=case.id,
            cost=model.price.of(usage.prompt_tokens, usage.completion_tokens) if model.price else None,
            error=error,
            seed=None if "seed" in reply.left_out else model.seed,
        )


def ask_hosted(
    model: HostedModel, cases: Sequence[EvalCase], job: Job, *, cache: Path, say: Callable[[str], None],
    interface: Interface = Interface.TEXT, server: Server = Server(),  # noqa: B008 - immutable
) -> Answered:  # fmt: skip
    """Ask a hosted model every case that has no answer in `cache` (SQLite, one file an experiment) in the epoch yet.

    A native `interface` goes with the formats of `domain.formats.native_interface`. A `server` takes the place of the
    entry's (a stand-in's port is known when it runs); other weights than its `artefact_hash` names are asked again.
    HostedError where a key is missing or refused, the deployment does not exist, the server cannot be reached, or the
    budget is reached.
    """
    if not cases:
        raise HostedError("there are no cases to ask the hosted model; materialise the test splits first")
    client = open_client(model, base_url=server.url)
    requests = Requests(model, job.answer_format, job.epoch, interface, server)
    with AnswerCache(cache) as answers:
        if answers.told:
            say(answers.told)
        engine = HostedEngine(Asking(model, client, answers, epoch=job.epoch, say=say), requests, answers)
        return answer_cases(engine, cases, job, reporter=Reporter(write=say))


def hosted_answers(
    experiment: Experiment, store: ArtefactStore, candidate: Candidate, cases: Sequence[EvalCase],
    interfaces: Mapping[Track, Interface], *, purpose: str, epoch: str, say: Callable[[str], None],
) -> dict[Track, list[PredictionRecord]]:  # fmt: skip
    """Ask the experiment's hosted model every case in each track, through the track's interface; see `ask_hosted`.

    `purpose` names the records' folder. A stand-in's server runs for just as long; ServingError if it did not come up.
    """
    model, answers = experiment.hosted_model, {}
    with _server(experiment, store, candidate) as server:
        for track, interface in interfaces.items():
            answer_format = format_of(track, interface, text_format=experiment.baseline_formats.of(track))
            output = store.work(purpose, candidate.id, answer_format.name) / RECORDS_FILE
            job, cache = Job(candidate.id, answer_format, output, epoch=epoch), store.work("hosted") / CACHE_FILE
            done = ask_hosted(model, cases, job, cache=cache, interface=interface, server=server, say=say)
            answers[track] = list(done.records)
    return answers


@contextlib.contextmanager
def _server(experiment: Experiment, store: ArtefactStore, candidate: Candidate) -> Iterator[Server]:
    if experiment.hosted_model.provider != "stand-in":
        yield Server()
        return
    weights = Weights(source=str(miniature_folder(experiment.hosted_model.model)), dtype="float32")
    workdir = store.work("server", candidate.id)
    with served_model(weights, workdir=workdir, threads=experiment.threads or 1) as server:
        yield server._replace(artefact_hash=weights_hash(weights.source))
