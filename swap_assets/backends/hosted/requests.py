"""What is sent to a hosted model for one case, and what its answer says in the contract."""

from __future__ import annotations

import hashlib
from typing import Any

from swap_assets.backends.hosted.clients import endpoint
from swap_assets.backends.hosted.replies import Reply
from swap_assets.domain.contracts import Contract
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.model import canonical_json
from swap_assets.domain.prompts import prompt_hash, render_messages


class Requests:
    """Makes the requests of one model in one contract."""

    def __init__(
        self, model: HostedModel, *, contract: Contract, epoch: str, served_name: str = "", artefact_hash: str = ""
    ) -> None:
        self.contract = contract
        self.epoch = epoch
        self.deployment = model.model
        self.api_version = model.api_version if model.provider == "azure" and not model.base_url else ""
        self._model = model
        self._name = served_name or model.model
        # Newer OpenAI models refuse `max_tokens`; older compatible servers overlook its successor without a word.
        official = model.provider in ("azure", "openai") and not model.base_url
        self._limit_name = "max_completion_tokens" if official else "max_tokens"
        self._who = [model.provider, model.model, self.api_version, endpoint(model), artefact_hash]
        self.prompt_hash = prompt_hash(contract, model.prompt_style)

    def body(self, case: EvalCase) -> dict[str, Any]:
        """Return the request's body, with every setting that is wanted."""
        model = self._model
        settings = {
            "temperature": 0.0 if model.accepts_temperature else None,
            "seed": model.seed,
            self._limit_name: model.max_answer_tokens,
            "stream": True if model.streams else None,
            "stream_options": {"include_usage": True} if model.streams else None,
        }
        wanted = {key: value for key, value in settings.items() if value is not None}
        return {"model": self._name, **self._question(case), **wanted, **model.extra_body}

    def key(self, body: dict[str, Any]) -> str:
        """Name a request: who is asked, the whole body, and the measurement epoch."""
        return hashlib.sha256(
            canonical_json([self._who, body, self.epoch]).encode("utf-8", "surrogatepass")
        ).hexdigest()

    def text_of(self, case: EvalCase, reply: Reply) -> str:
        """Return what an answer says, in the contract."""
        return reply.text

    def _question(self, case: EvalCase) -> dict[str, Any]:
        style = self._model.prompt_style
        return {"messages": render_messages(case.tools, case.history, contract=self.contract, style=style)}
