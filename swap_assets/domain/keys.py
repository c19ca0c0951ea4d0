"""Who stands for the job: model x scale x approach x decoding x artefact form, with a stable readable id.

`student--tiny--paper--greedy--adapter`. The hosted LLM (`...--hosted`) and the untouched SLM
(`...--base`) are candidates too, with approach `none`. The Fledgling pair is one candidate with a score per
answer format.
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


class Decoding(StrEnum):
    """How a local model's next token is chosen: the likeliest of all, or of those that keep to the tools' schemas."""

    GREEDY = "greedy"
    CONSTRAINED = "constrained"


class Candidate(Frozen):
    """One contender; two candidates are the same exactly when their ids are."""

    model: str
    scale: str
    approach: str = "none"
    decoding: Decoding = Decoding.GREEDY
    form: Form

    @property
    def id(self) -> str:
        """The readable id, safe as a file name."""
        return SEPARATOR.join((self.model, self.scale, self.approach, self.decoding.value, self.form.value))

    @property
    def recipe(self) -> str:
        """The approach by its name in the experiment file, whether its rows are packed or not."""
        return self.approach.removesuffix(PACKED)

    @property
    def trained(self) -> "Candidate":
        """The candidate whose training made this one's adapters: decoding otherwise trains nothing."""
        return self.model_copy(update={"decoding": Decoding.GREEDY})

    @property
    def evaluation_asset(self) -> str:
        """The asset that holds a tuned candidate's evaluation."""
        return evaluation_asset(self.recipe, self.decoding)

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
        return cls(model=model, scale=scale, approach=approach, decoding=Decoding(decoding), form=Form(form))


def hosted(model: str, scale: str) -> Candidate:
    """Return the hosted LLM's candidate at a scale."""
    return Candidate(model=model, scale=scale, form=Form.HOSTED)


def base(model: str, scale: str) -> Candidate:
    """Return the untouched SLM's candidate at a scale."""
    return Candidate(model=model, scale=scale, form=Form.BASE)


def tuned(
    model: str, scale: str, approach: str, *, packed: bool = False, decoding: Decoding = Decoding.GREEDY
) -> Candidate:
    """Return the candidate that answers with the LoRA adapters of an approach, trained on packed rows or not."""
    name = approach + PACKED * packed
    return Candidate(model=model, scale=scale, approach=name, decoding=decoding, form=Form.ADAPTER)


def evaluation_asset(approach: str, decoding: Decoding) -> str:
    """Return the asset that holds the evaluation of an approach under a way of decoding."""
    return f"{approach}_evaluation" if decoding is Decoding.GREEDY else f"{approach}_{decoding.value}_evaluation"
