"""Answers of a hosted LLM through the `openai` client: Azure OpenAI, OpenAI, or any compatible server.

Runs in the calling process: it waits for the network and loads no model. Records are appended as answers arrive, and a
second call asks only for what has no answer yet. The key comes from the environment and goes nowhere else.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swap_assets.backends.generation.records import RecordFile
from swap_assets.backends.hosted.asking import Asking
from swap_assets.backends.hosted.errors import HostedError
from swap_assets.backends.reporting import Reporter, duration
from swap_assets.domain.contracts import Contract
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.model import Frozen
from swap_assets.domain.predictions import PredictionRecord

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class HostedAnswers(Frozen):
    """What asking a hosted model gave; `records` are in the order of the cases."""

    records: tuple[PredictionRecord, ...]
    prompt_hash: str
    asked: int
    reused: int
    errors: int
    seconds: float


def ask_hosted(
    model: HostedModel,
    cases: Sequence[EvalCase],
    *,
    contract: Contract,
    candidate_id: str,
    output: Path,
    epoch: str = "first",
    base_url: str = "",
    served_name: str = "",
    artefact_hash: str = "",
    reuse: Sequence[Path] = (),
    say: Callable[[str], None] = print,
) -> HostedAnswers:
    """Ask a hosted model every case that has no record in `output` yet.

    Args:
        model: The experiment's entry: provider, deployment, limits, price, names of the environment variables.
        cases: The questions.
        contract: How the answer is to be written.
        candidate_id: Whose records they are.
        output: The JSONL file of records, appended to while answers arrive.
        epoch: The measurement; another one asks everything again.
        base_url: Where the server listens, in place of the entry's (a stand-in's port is known only when it runs).
        served_name: The model's name at that server, in place of the entry's.
        artefact_hash: Names the weights where they are known, so that other weights are asked again.
        reuse: Other files of records, of the same model at another scale: what was answered there is not paid twice.
        say: Takes progress lines.

    Raises:
        HostedError: a key is missing or refused, the deployment does not exist, or the server cannot be reached.
    """
    if not cases:
        raise HostedError("there are no cases to ask the hosted model; materialise the test splits first")
    asking = Asking(
        model, open_client(model, base_url=base_url), contract=contract, candidate_id=candidate_id, epoch=epoch,
        served_name=served_name, artefact_hash=artefact_hash,
    )  # fmt: skip
    wanted = {case.id: asking.request_hash(case) for case in cases}
    records = RecordFile(output, wanted, candidate_id=candidate_id, others=reuse)
    return _ask_missing(asking, cases, records, Reporter(write=say))


def _ask_missing(asking: Asking, cases: Sequence[EvalCase], records: RecordFile, reporter: Reporter) -> HostedAnswers:
    name = asking.model.key
    missing = [case for case in cases if case.id not in records.kept]
    reporter.line(f"{len(cases)} cases for {name}, {len(records.kept)} answered already")
    began = time.monotonic()
    asyncio.run(asking.ask_all(missing, records, reporter))
    seconds = time.monotonic() - began
    found = records.finish()
    errors = sum(not record.obtained for record in found)
    reporter.line(f"{len(missing)} answers from {name} in {duration(seconds)}, {errors} without success")
    return HostedAnswers(
        records=tuple(found),
        prompt_hash=asking.prompt_hash,
        asked=len(missing),
        reused=len(records.kept),
        errors=errors,
        seconds=round(seconds, 3),
    )


def missing_variables(model: HostedModel, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the environment variables that a hosted model needs and that are not set; never their values."""
    needed = [] if model.provider == "stand-in" else [model.key_env]
    if model.provider == "azure" and not model.base_url:
        needed.append(model.endpoint_env)
    return [name for name in needed if not environment.get(name)]


def open_client(model: HostedModel, *, base_url: str = "") -> AsyncOpenAI:
    """Return the client for a hosted model; retries with backoff and `Retry-After` are its own.

    Raises:
        HostedError: an environment variable is not set.
    """
    if missing := missing_variables(model):
        raise HostedError(f"{model.key} needs {' and '.join(missing)}: set it in the environment or in .env")
    from openai import AsyncAzureOpenAI, AsyncOpenAI

    limits: dict[str, Any] = {"timeout": model.timeout_s, "max_retries": model.max_retries}
    url = base_url or model.base_url
    if model.provider == "stand-in":
        return AsyncOpenAI(base_url=url, api_key="none", **limits)
    key = os.environ[model.key_env]
    if model.provider == "azure" and not url:
        endpoint = os.environ[model.endpoint_env]
        return AsyncAzureOpenAI(azure_endpoint=endpoint, api_key=key, api_version=model.api_version, **limits)
    return AsyncOpenAI(base_url=url or None, api_key=key, **limits)
