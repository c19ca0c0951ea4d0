"""Partition keys, candidate ids and asset names: they are written and read here, and nowhere else.

A partition key of a model at a scale is `student|tiny` (Dagster orders the dimensions by name). A candidate, who
stands for the job, is model x scale x approach x decoding x artefact form: `student--tiny--paper--greedy--adapter`.
The hosted LLM (`...--hosted`) and the untouched SLM (`...--base`) are candidates too, with approach `none`. An approach
with several adapters (the Fledgling pair) is one candidate with a score per answer format. Which models, scales and
approaches there are is `domain.experiment`'s to say.
"""

import re
import string
from collections.abc import Collection, Iterable
from enum import StrEnum

from swap_assets.domain.model import Frozen

SEPARATOR = "--"
PARTITION_SEPARATOR, IN_FILE_NAMES, ALL_PARTITIONS = "|", "__", "all"
# What parts partition keys and candidate ids; `/` and spaces break file names, Dagster parts lists of keys by commas
# and ranges by three dots.
_FORBIDDEN = (PARTITION_SEPARATOR, IN_FILE_NAMES, SEPARATOR, "...", "/", ",", *string.whitespace)
_LONGEST = 60
# Rows packed into one have fewer optimiser steps: another recipe, and so another candidate.
PACKED = "-packed"
# Another system text than the agent's own, by its hash: another prompt, and so another candidate.
TOLD = "-told-"
_ENDINGS = re.compile(rf"({PACKED})?({TOLD}[0-9a-f]{{6}})?$")
# The approach of a candidate that nobody trained.
NO_APPROACH = "none"

# Dagster's pool of everything that loads a model.
MODEL_PROCESS_POOL = "model_process"
# Assets that more than one module names.
HERMES_CONVERSATIONS = "hermes_conversations"
ROOT_ASSETS = (HERMES_CONVERSATIONS, "quarantined_conversations", "dataset_profile")
DATASET_SPLIT = "dataset_split"
STRUCTURED_TRACK, TOOLCALL_TRACK = TRACKS = ("structured_track", "toolcall_track")
# The assets whose rows every candidate answers; they are read as one list, each case once.
TEST_SPLITS = (
    "single_turn_test", "multi_turn_test", "domain_diverse_test", "no_call_test", "parallel_test", "general_test",
)  # fmt: skip
LLM_INTERFACE = "llm_interface"
LLM_BASELINE = "llm_baseline"
SLM_BASELINE = "slm_baseline"
FINE_TUNE_DECISION = "fine_tune_decision"
COMPARISON_REPORT = "comparison_report"
SCALE_UP_DECISION = "scale_up_decision"
RELEASE_DECISION = "release_decision"
RELEASE_APPROVAL = "release_approval"
MERGED_MODEL = "merged_model"
PUBLISHED_MODEL = "published_model"
DRIFT_CHECK = "drift_check"
# The hosted LLM's answers beside its baseline, asked in its own pool before whoever compares with them.
SEALED_LLM_EVALUATION = "sealed_llm_evaluation"
REPEATED_LLM_EVALUATION = "repeated_llm_evaluation"
# What a scale begins with, before any model of it.
BASELINE_ASSETS = (DATASET_SPLIT, *TRACKS, *TEST_SPLITS, LLM_INTERFACE, LLM_BASELINE)
# A release is decided with both.
SEALED_ASSETS = (SEALED_LLM_EVALUATION, RELEASE_DECISION)
# What is made once for a scale; every other asset but the root is made for a model at a scale.
SCALE_ASSETS = (*BASELINE_ASSETS, COMPARISON_REPORT, SCALE_UP_DECISION, DRIFT_CHECK, REPEATED_LLM_EVALUATION)
# What exists whatever the approaches are called.
SHARED_ASSETS = (
    *ROOT_ASSETS, *SCALE_ASSETS, SLM_BASELINE, FINE_TUNE_DECISION, RELEASE_DECISION, RELEASE_APPROVAL, MERGED_MODEL,
    PUBLISHED_MODEL, SEALED_LLM_EVALUATION,
)  # fmt: skip


class Form(StrEnum):
    """In which form a candidate's weights answer."""

    HOSTED = "hosted"
    BASE = "base"
    ADAPTER = "adapter"
    MERGED = "merged"


class Decoding(StrEnum):
    """How a local model's next token is chosen: the likeliest of all, or of those that keep to the tools' schemas."""

    GREEDY = "greedy"
    CONSTRAINED = "constrained"


class Candidate(Frozen):
    """One contender; two candidates are the same exactly when their ids are."""

    model: str
    scale: str
    approach: str = NO_APPROACH
    decoding: Decoding = Decoding.GREEDY
    form: Form

    @property
    def id(self) -> str:
        """The readable id, safe as a file name."""
        return SEPARATOR.join((self.model, self.scale, self.approach, self.decoding.value, self.form.value))

    @property
    def partition(self) -> str:
        """The partition key of its model at its scale."""
        return partition_key(self.model, self.scale)

    @property
    def recipe(self) -> str:
        """The approach by its name in the experiment file, whatever its rows are packed into and told."""
        return _ENDINGS.sub("", self.approach, count=1)

    @property
    def trained(self) -> "Candidate":
        """The candidate whose training made this one's adapters: decoding otherwise trains nothing."""
        return self.model_copy(update={"decoding": Decoding.GREEDY})

    @property
    def evaluation_asset(self) -> str:
        """The asset that holds its evaluation; that of a merged candidate lies in the merged model itself."""
        other = {Form.HOSTED: LLM_BASELINE, Form.BASE: SLM_BASELINE, Form.MERGED: MERGED_MODEL}
        return other.get(self.form) or evaluation_asset(self.recipe, self.decoding)

    @property
    def evaluation_partition(self) -> str:
        """The partition of that asset: the hosted LLM answers once for all models of a scale."""
        return self.scale if self.form is Form.HOSTED else self.partition

    @classmethod
    def from_id(cls, text: str) -> "Candidate":
        """Read an id back; a ValueError where the text is not five parts joined by `--`."""
        parts = text.split(SEPARATOR)
        if len(parts) != 5:
            raise ValueError(f"'{text}' is no candidate id: expected MODEL--SCALE--APPROACH--DECODING--FORM")
        model, scale, approach, decoding, form = parts
        return cls(model=model, scale=scale, approach=approach, decoding=Decoding(decoding), form=Form(form))


def hosted(model: str, scale: str) -> Candidate:
    """Return the hosted LLM's candidate at a scale."""
    return Candidate(model=model, scale=scale, form=Form.HOSTED)


def base(model: str, scale: str) -> Candidate:
    """Return the untouched SLM's candidate at a scale."""
    return Candidate(model=model, scale=scale, form=Form.BASE)


def tuned(
    model: str, scale: str, approach: str, *, packed: bool = False, told: str = "",
    decoding: Decoding = Decoding.GREEDY,
) -> Candidate:  # fmt: skip
    """Return the candidate that answers with the LoRA adapters of an approach, trained on packed rows or not.

    `told` are six digits of the hash of what it is told in place of the agent's own system text.
    """
    name = approach + PACKED * packed + (told and TOLD + told)
    return Candidate(model=model, scale=scale, approach=name, decoding=decoding, form=Form.ADAPTER)


def partition_key(model: str, scale: str) -> str:
    """Return the partition key of a model at a scale."""
    return f"{model}{PARTITION_SEPARATOR}{scale}"


def unfit_key(key: str) -> str:
    """Say why no model or scale can be called so, "" where one can: partitions, folders and files are named by them."""
    if bad := [sign for sign in _FORBIDDEN if sign in key]:
        return f"the name {key!r} holds {bad[0]!r}, which partition keys and file names cannot"
    if not key or not key.isprintable() or key[0] in ".-" or len(key.encode()) > _LONGEST:
        told = f"visible signs, {_LONGEST} bytes at most, that does not begin with '.' or '-'"
        return f"the name {key!r} cannot be a folder's; give one of {told}"
    return f"the name {key!r} is that of files without a partition; take another" if key == ALL_PARTITIONS else ""


def file_name(key: str | None) -> str:
    """Return a partition key as a file name, `all` where there is none; `partition_of` reads it back."""
    return (key or ALL_PARTITIONS).replace(PARTITION_SEPARATOR, IN_FILE_NAMES).replace("/", "_")


def partition_of(name: str) -> str:
    """Return the partition key of a file's name, "" where it names none."""
    return "" if name == ALL_PARTITIONS else name.replace(IN_FILE_NAMES, PARTITION_SEPARATOR)


def model_and_scale(key: str) -> tuple[str, str]:
    """Return the model and the scale of a partition key; the model is "" where it names a scale alone."""
    model, _, scale = key.rpartition(PARTITION_SEPARATOR)
    return model, scale


def models_of(candidate_ids: Iterable[str]) -> list[str]:
    """Return the models of candidates, each once, sorted."""
    return sorted({Candidate.from_id(name).model for name in candidate_ids})


def adapter_asset(approach: str, adapter: str, adapters: Collection[str]) -> str:
    """Return the asset that trains one of an approach's adapters; where there is only one, it needs no name."""
    named = (approach, adapter) if len(adapters) > 1 else (approach,)
    return "_".join((*named, "adapter")).replace("-", "_")


def evaluation_asset(approach: str, decoding: Decoding) -> str:
    """Return the asset that holds the evaluation of an approach under a way of decoding."""
    name = approach.replace("-", "_")
    return f"{name}_evaluation" if decoding is Decoding.GREEDY else f"{name}_{decoding.value}_evaluation"
