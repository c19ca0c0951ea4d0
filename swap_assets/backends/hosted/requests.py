"""What is sent to a hosted model for one case, and what its answer says in the answer format."""

from __future__ import annotations

import hashlib
from typing import Any

from swap_assets.backends.hosted.clients import endpoint
from swap_assets.backends.hosted.replies import Reply
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.formats.base import AnswerFormat, Interface, Track
from swap_assets.domain.formats.native_interface import calls_text, listed_calls, native_prompt_hash, native_question
from swap_assets.domain.formats.prompts import prompt_hash, render_messages
from swap_assets.domain.model import canonical_json


class Requests:
    """Makes the requests of one model in one answer format through one interface."""

    def __init__(
        self,
        model: HostedModel,
        *,
        answer_format: AnswerFormat,
        epoch: str,
        interface: Interface = Interface.TEXT,
        served_name: str = "",
        artefact_hash: str = "",
    ) -> None:
        self.answer_format = answer_format
        self.interface = interface
        self.epoch = epoch
        api_version = model.api_version if model.provider == "azure" and not model.base_url else ""
        # Fields that all records of these requests share.
        self.constants = {"interface": interface, "deployment": model.model, "api_version": api_version}
        self._model = model
        self._name = served_name or model.model
        # Newer OpenAI models refuse `max_tokens`; older compatible servers overlook its successor without a word.
        official = model.provider in ("azure", "openai") and not model.base_url
        self._limit_name = "max_completion_tokens" if official else "max_tokens"
        self._who = [model.provider, model.model, api_version, endpoint(model), artefact_hash]
        self.prompt_hash = self._hash_of_prompt()

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
        named = canonical_json([self._who, body, self.epoch])
        return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()

    def text_of(self, case: EvalCase, reply: Reply) -> str:
        """Return what an answer says, in the answer format; words beside native calls are left out."""
        if self.interface is Interface.TEXT:
            return reply.text
        if self.answer_format.track is Track.STRUCTURED:
            return listed_calls(case, reply.text)
        return calls_text(case, [(call.name, call.arguments) for call in reply.calls]) if reply.calls else reply.text

    def _question(self, case: EvalCase) -> dict[str, Any]:
        model = self._model
        if self.interface is Interface.NATIVE:
            strict = model.accepts_strict_schemas
            return native_question(case, self.answer_format.track, style=model.prompt_style, strict=strict)
        messages = render_messages(case.tools, case.history, answer_format=self.answer_format, style=model.prompt_style)
        # The same text in every role: services refuse a message of role "tool" that answers no native call.
        return {"messages": [m | {"role": model.tool_role} if m["role"] == "tool" else m for m in messages]}

    def _hash_of_prompt(self) -> str:
        model = self._model
        if self.interface is Interface.NATIVE:
            return native_prompt_hash(self.answer_format.track, model.prompt_style)
        told_by = "" if model.tool_role == "tool" else f"tool messages as {model.tool_role}"
        return prompt_hash(self.answer_format, model.prompt_style, chat_template=told_by)


def without_strict(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return a body whose schema is not strict any more; None where it was none."""
    asked = body.get("response_format") or {}
    if not (asked.get("json_schema") or {}).get("strict"):
        return None
    return {**body, "response_format": {**asked, "json_schema": {**asked["json_schema"], "strict": False}}}
