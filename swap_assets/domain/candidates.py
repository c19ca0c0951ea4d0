"""Who stands for the job: model x scale x approach x decoding x artefact form, with a stable readable id.

`student--tiny--paper--greedy--adapter`. The hosted LLM (`...--hosted`) and the untouched SLM
(`...--base`) are candidates too, with approach `none`. The Fledgling pair is one candidate with a score per contract.
"""

from enum import StrEnum

from swap_assets.domain.model import Frozen

SEPARATOR = "--"
# Rows packed into one have fewer optimiser steps: another recipe, and so another candidate.
PACKED = "-packed"


class Form(StrEnum):
    """In which form a candidate's weights answer."""

    HOSTED = "hosted"
    BASE = "base"
    ADAPTER = "adapter"
    MERGED = "merged"
    QUANTISED = "quantised"
    SERVED = "served"


class Candidate(Frozen):
    """One contender; two candidates are the same exactly when their ids are."""

    model: str
    scale: str
    approach: str = "none"
    decoding: str = "greedy"
    form: Form

    @property
    def id(self) -> str:
        """The readable id, safe as a file name."""
        return SEPARATOR.join((self.model, self.scale, self.approach, self.decoding, self.form.value))

    @property
    def recipe(self) -> str:
        """The approach by its name in the experiment file, whether its rows are packed or not."""
        return self.approach.removesuffix(PACKED)

    @classmethod
    def from_id(cls, text: str) -> "Candidate":
        """Read an id back.

        Raises:
            ValueError: the text is not five parts joined by `--`.
        """
        parts = text.split(SEPARATOR)
        if len(parts) != 5:
            raise ValueError(f"'{text}' is no candidate id: expected MODEL--SCALE--APPROACH--DECODING--FORM")
        model, scale, approach, decoding, form = parts
        return cls(model=model, scale=scale, approach=approach, decoding=decoding, form=Form(form))


def hosted(model: str, scale: str) -> Candidate:
    """Return the hosted LLM's candidate at a scale."""
    return Candidate(model=model, scale=scale, form=Form.HOSTED)


def base(model: str, scale: str) -> Candidate:
    """Return the untouched SLM's candidate at a scale."""
    return Candidate(model=model, scale=scale, form=Form.BASE)


def tuned(model: str, scale: str, approach: str, *, packed: bool = False) -> Candidate:
    """Return the candidate that answers with the LoRA adapters of an approach, trained on packed rows or not."""
    return Candidate(model=model, scale=scale, approach=approach + PACKED * packed, form=Form.ADAPTER)
