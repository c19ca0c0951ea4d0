"""Answers of a small model behind a vLLM server: the very tokens of the local prompt go out, tokens come back.

    POST /v1/completions {"model": "c--3f2a91", "prompt": [151644, 872, ...], "max_tokens": 1024, "temperature": 0, ...}

No chat template of the server is involved, so the prompt is the trained one to the token. An adapter is loaded into the
running server under a name made of its weights, and unloaded afterwards.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swap_assets.backends.engines.local import LocalEngine, stop_tokens
from swap_assets.backends.hosted.clients import without_key
from swap_assets.backends.models.chat_template import prompt_tokens
from swap_assets.backends.models.local_model import load_config, require_adapter, trains_tokens
from swap_assets.backends.models.provenance import Finding, State
from swap_assets.backends.processes.specs import GenerateSpec, Weights
from swap_assets.backends.serving.servers import Server, ServingError, room_for_rank, server_for
from swap_assets.domain.experiment.engines import EngineSettings, VllmServer
from swap_assets.domain.model import EvalCase
from swap_assets.domain.predictions import Answer, FinishReason

if TYPE_CHECKING:
    from openai import OpenAI

_RETRIES = 5
_CONNECT_S = 10.0
_HEALTH_S = 5.0


class VllmEngine(LocalEngine):
    """A spec's model behind a vLLM server; ServingError where that cannot be had, or refuses."""

    name = "vllm"

    def __init__(self, spec: GenerateSpec, say: Callable[[str], None]) -> None:
        super().__init__(spec, say)
        assert isinstance(spec.engine, VllmServer)
        self._vllm = spec.engine
        self._stops = stop_tokens(own_stops(spec.weights), self.tokenizer)
        self._turns = self.turns or frozenset()
        if spec.adapter and trains_tokens(spec.adapter):
            raise ServingError(
                f"the adapter {spec.adapter} holds embeddings of turn tokens that its base never learnt, which vLLM "
                "cannot lay over a base: take vllm out of the model's entry; its merged model can be served"
            )

    @staticmethod
    def findings(key: str, settings: EngineSettings, environment: Mapping[str, str]) -> list[Finding]:
        """Say whether the server can be started or reached."""
        assert isinstance(settings, VllmServer)
        return [Finding("vLLM", *_seen(key, settings, environment))]

    def answers(self, cases: Sequence[EvalCase]) -> Iterator[list[Answer]]:
        """Find or start the server, load the adapter there, and ask."""
        from openai import OpenAI, Timeout

        if self.spec.adapter:
            require_adapter(self.spec.adapter)
        server = server_for(self.spec, self._vllm, self.say)
        limit = Timeout(self._vllm.timeout_s, connect=_CONNECT_S)
        client = OpenAI(base_url=server.url, api_key=server.key or "none", timeout=limit, max_retries=_RETRIES)
        with client, self._loaded(client, server) as name:
            self.method = f"{len(cases)} rows by vLLM {_version(client, server)}".rstrip()
            pool = ThreadPoolExecutor(self._vllm.concurrency)
            before = self.began = time.monotonic()
            ask = self._explained(server)(self._ask)
            try:
                for task in as_completed([pool.submit(ask, client, name, case) for case in cases]):
                    # Requests overlap: an answer's share is the time since the one before it.
                    now = time.monotonic()
                    share_s, before = now - before, now
                    yield [task.result().model_copy(update={"cost": self.cost(share_s)})]
            finally:
                # Nothing more is asked once one request has failed for good, or whoever reads has gone.
                pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, client: OpenAI, name: str, case: EvalCase) -> Answer:
        tokens, began = prompt_tokens(self.tokenizer, self.prompts[case.id]), time.perf_counter()
        # Penalties are named since the server may have the model's own as defaults.
        more = {"repetition_penalty": 1.0, "stop_token_ids": [*self._stops, *self._turns], "return_token_ids": True}
        found: Any = client.completions.create(
            model=name, prompt=tokens, max_tokens=self.limit, seed=self.spec.seed, extra_body=more,
            temperature=0.0, presence_penalty=0.0, frequency_penalty=0.0,
        )  # fmt: skip
        choice, seconds = found.choices[0], time.perf_counter() - began
        stopped = choice.finish_reason == "stop"
        turned = stopped and getattr(choice, "stop_reason", None) in self._turns
        # Our own tokenizer puts the text together, as it does for tokens that were computed here.
        said = getattr(choice, "token_ids", None)
        if said and stopped and said[-1] in (*self._stops, *self._turns):
            said = said[:-1]
        told = said if said is not None or not self.thinking else prompt_tokens(self.tokenizer, choice.text)
        text, thought = (choice.text, 0) if told is None else self.spoken(told)
        finish: FinishReason = "second_turn" if turned else "stop" if stopped else "length"
        counts = (len(tokens), found.usage.completion_tokens if found.usage else len(said or ()))
        return self.answer(case, text, tokens=counts, finish=finish, seconds=seconds, card_s=0.0, thought=thought)

    @contextlib.contextmanager
    def _loaded(self, client: OpenAI, server: Server) -> Iterator[str]:
        """Make the adapter answer under a name, and take it out again; without an adapter it is the base's name."""
        with self._explained(server):
            served = [model.id for model in client.models.list()]
        if server.model not in served:
            raise ServingError(
                f"the vLLM server at {server.url} serves {', '.join(served) or 'nothing'} and not {server.model}: "
                "correct vllm.served_name in the model's entry"
            )
        if self.spec.adapter is None:
            yield server.model
            return
        name = f"{self.spec.candidate_id}--{self.artefact}"
        if name not in served:
            with self._explained(server):
                _load(client, server, name, self.spec.adapter.absolute())
        try:
            yield name
        finally:
            import openai

            with contextlib.suppress(openai.OpenAIError):
                client.post("/unload_lora_adapter", cast_to=str, body={"lora_name": name})

    @contextlib.contextmanager
    def _explained(self, server: Server) -> Iterator[None]:
        import openai

        try:
            yield
        except openai.OpenAIError as error:
            match error:
                case openai.AuthenticationError() | openai.PermissionDeniedError():
                    told = "refused the key: name the variable that holds it as vllm.key_env in the model's entry"
                case openai.APITimeoutError():
                    limit = f"{self._vllm.timeout_s:g} s"
                    told = f"gave no answer within {limit}: raise vllm.timeout_s, or lower concurrency"
                case openai.APIConnectionError():
                    told = "cannot be reached: start it, or correct vllm.base_url; answers so far are kept"
                case _:
                    told = f"refused a request ({without_key(str(error), server.key)}); answers so far are kept"
            raise ServingError(f"the vLLM server at {server.url} {told}") from None


def _load(client: OpenAI, server: Server, name: str, folder: Path) -> None:
    import openai

    try:
        client.post("/load_lora_adapter", cast_to=str, body={"lora_name": name, "lora_path": str(folder)})
    except (openai.BadRequestError, openai.NotFoundError, openai.InternalServerError) as error:
        raise ServingError(
            f"the vLLM server at {server.url} did not load the adapter {folder} ({without_key(str(error), server.key)})"
            f": it has to see that folder, and to be started with --enable-lora --max-lora-rank {room_for_rank(folder)}"
            " and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
        ) from None


def _seen(key: str, entry: VllmServer, environment: Mapping[str, str]) -> tuple[State, str]:
    if entry.command:
        advice = f"install vLLM in an environment of its own and give models.{key}.vllm.command its path"
        found = shutil.which(entry.command[0])
        return ("ok", found) if found else ("fail", f"{entry.command[0]} is not there: {advice}")
    if entry.key_env and not environment.get(entry.key_env):
        return "fail", f"its server needs {entry.key_env}: set it in .env"
    try:
        urllib.request.urlopen(f"{entry.root}/health", timeout=_HEALTH_S).close()
    except (OSError, ValueError):
        # Training needs no server, so it is not held up.
        return "warn", f"{entry.root} does not answer; start it before this model is evaluated"
    return "ok", f"{entry.root} answers"


def own_stops(weights: Weights) -> int | list[int] | None:
    """Return the tokens with which a model says that it has ended, read from its settings alone."""
    from transformers import GenerationConfig

    try:
        # As when the whole model is loaded: its generation settings, and where it has none its configuration.
        return GenerationConfig.from_pretrained(weights.source, revision=weights.revision or "main").eos_token_id
    except OSError:
        return getattr(load_config(weights), "eos_token_id", None)


def _version(client: OpenAI, server: Server) -> str:
    import openai

    with contextlib.suppress(openai.OpenAIError):
        found: Any = client.get(f"{server.url.removesuffix('/v1')}/version", cast_to=object)
        return str(found.get("version", "")) if isinstance(found, dict) else ""
    return ""
