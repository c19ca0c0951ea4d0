"""What answers for a candidate, and the records that a training, a merge and a publication leave.

They say where the weights lie, what let them through and how they scored again, or why there are none.
"""

from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from swap_assets.domain.formats.base import AnswerFormat
from swap_assets.domain.gates.gate import materialize
from swap_assets.domain.judging.decisions import Contrast, Decision
from swap_assets.domain.keys import MERGED_MODEL, RELEASE_DECISION, Candidate
from swap_assets.domain.model import Frozen
from swap_assets.domain.scoring.evaluation import Evaluation


class Artefact(NamedTuple):
    """What answers in one format: an adapter's folder, a merged model's, or None for the base, named by its track."""

    name: str
    answer_format: AnswerFormat
    path: Path | None


class LoraAdapter(Frozen):
    """An adapter: its absolute `folder`, the hashes of weights, rows and prompt; `skipped`: none was needed."""

    candidate_id: str
    name: str
    answer_format: AnswerFormat
    status: Literal["trained", "skipped"]
    reason: str = ""
    folder: str = ""
    adapter_hash: str = ""
    dataset_hash: str = ""
    prompt_hash: str = ""
    mlflow_run_id: str = ""

    @property
    def artefact(self) -> Artefact:
        """What answers with it."""
        return Artefact(self.name, self.answer_format, Path(self.folder))

    def refusal(self, asset: str, candidate: Candidate) -> str:
        """Say why it may not answer as a candidate, "" where it may."""
        if self.status != "trained":
            return f"{asset} at '{candidate.partition}' was skipped: {self.reason}"
        if self.candidate_id != candidate.trained.id:
            return f"{asset} holds an adapter of {self.candidate_id}, not of {candidate.trained.id}"
        return ""


class LossPoint(Frozen):
    """A loss (nats per trained token) after so many optimiser steps; `end` is that of tokens that end an answer."""

    step: int
    epoch: float
    loss: float
    end: float | None = Field(default=None, description="None: not known, as where a card computes the loss")


class MergedAdapter(Frozen):
    """One adapter merged into the 16-bit base; `equal_texts` of `parity_rows` answers were the adapter's own."""

    folder: str
    merged_hash: str
    adapter_hash: str
    prompt_hash: str
    parity_rows: int
    equal_texts: int
    max_logit_difference: float


class MergedModel(Frozen):
    """A released candidate as plain weights, or the untouched base, for which there is nothing to merge.

    Each adapter is merged into a folder of its own: the two of the Fledgling pair learned different answer formats,
    and their sum would be a third model that nobody evaluated. `evaluation` is what the merged weights scored on the
    rows that the adapter had answered; `contrasts` compares the two. `evidence` is the hash of the adapter's
    evaluation.
    """

    candidate_id: str
    base: str = Field(description="hub id and revision, or the folder, of the weights that were merged into")
    dtype: str
    decision: str
    override: str = ""
    adapters: dict[str, MergedAdapter] = Field(default_factory=dict, description="empty for an untouched base")
    evaluation: Evaluation
    evidence: str
    contrasts: tuple[Contrast, ...] = ()
    compared: str = Field(default="", description="how it scored beside its adapter, in one sentence")

    @property
    def folders(self) -> dict[str, str]:
        """Where each merged adapter lies."""
        return {name: item.folder for name, item in self.adapters.items()}

    def content(self) -> str:
        """Name the weights: the same adapters merged into the same base have the same name."""
        return "-".join(sorted(item.merged_hash for item in self.adapters.values())) or f"base {self.base}"

    def refusal_to_publish(self, decision: Decision) -> str:
        """Say why this model may not be published under a decision; an empty text where it may."""
        if not self.adapters:
            return f"{self.candidate_id} is the untouched {self.base}: there is nothing of its own to publish"
        if self.decision != decision.content():
            again = materialize(MERGED_MODEL, self.evaluation.candidate.partition)
            return f"merged_model stands on an older release_decision; make it again: {again}"
        if decision.action != "release" and not self.override:
            return f"release_decision says {decision.action}, and no override is recorded: {decision.reason}"
        return ""


def refusal_to_merge(decision: Decision, before: Evaluation, rows_now: str) -> str:
    """Say why an evaluation cannot be held against a merged model asked rows hashed `rows_now`, "" where it can."""
    asset, key = before.candidate.evaluation_asset, before.candidate.partition
    if before.status != "evaluated":
        return f"{before.candidate.id} has no evaluation to compare the merged model with: {before.reason}"
    if decision.hashes.get(before.candidate.id, before.evidence_hash()) != before.evidence_hash():
        return f"release_decision rests on an older {asset}; make it again: {materialize(RELEASE_DECISION, key)}"
    if before.dataset_hash != rows_now:
        again = materialize(f"{asset},{RELEASE_DECISION}", key)
        return f"{asset} was made on other test rows; make it and the decision again: {again}"
    return ""


class PublishedModel(Frozen):
    """Where a merged model lies on the hub; `unchanged` found it there already, `skipped` comes with its reason."""

    candidate_id: str
    status: Literal["published", "unchanged", "skipped"]
    reason: str = ""
    repo_id: str = ""
    url: str = ""
    commit: str = ""
    files: int = 0
