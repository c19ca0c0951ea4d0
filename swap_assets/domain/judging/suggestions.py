"""What to try when no candidate is near enough: a larger rank, more epochs, more data, as entries ready to paste.

models:
  phi-4-mini-r32: {extends: phi-4-mini, approaches: {paper: {lora: {r: 32, alpha: 64}}}}

A variant stands beside the model that it extends. More data stands in place of the scale that fell short: a scale that
came after it would wait for a decision that says iterate.
"""

from collections.abc import Container, Iterator
from typing import Any

from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.judging.decisions import Suggestion
from swap_assets.domain.keys import Candidate, Form

_MOST_EPOCHS, _HIGHEST_RANK = 100, 1024
_MORE = 3  # times the training rows: enough to see a difference, cheap enough to try


def suggest(experiment: Experiment, best: str) -> tuple[Suggestion, ...]:
    """Return variants of the best candidate that are worth a try, and a larger scale in place of its own.

    Args:
        experiment: the experiment file.
        best: the id of the candidate that came nearest to the LLM.
    """
    candidate = Candidate.from_id(best)
    variants = () if candidate.form is Form.BASE else _variants(experiment, candidate)
    return (*variants, _more_data(experiment, candidate.scale))


def _variants(experiment: Experiment, candidate: Candidate) -> Iterator[Suggestion]:
    model, approach = candidate.model, candidate.recipe
    settings = experiment.approach_for(approach, model=model, scale=candidate.scale)
    lora, epochs = settings.lora, settings.training.epochs
    rank, more = 2 * lora.r, 2 * epochs
    rank_text = f"rank {rank} instead of {lora.r}: room for more to learn"
    epochs_text = f"{more} epochs instead of {epochs}: the same rows seen longer"
    for possible, ending, changes, text in (
        (rank <= _HIGHEST_RANK, f"r{rank}", {"lora": {"r": rank, "alpha": 2 * lora.alpha}}, rank_text),
        (more <= _MOST_EPOCHS, f"e{more}", {"training": {"epochs": more}}, epochs_text),
    ):
        if possible:
            entry = {"extends": model, "approaches": {approach: changes}}
            yield _suggestion(text, "models", f"{model}-{ending}", experiment.models, entry)


def _more_data(experiment: Experiment, scale: str) -> Suggestion:
    sizes = experiment.scale(scale)
    rows = _MORE * sizes.train
    text = f"{rows} training rows instead of {sizes.train}, in place of scale '{scale}', where the source holds as many"
    entry = sizes.model_copy(update={"train": rows}).model_dump(mode="json", exclude_defaults=True)
    return _suggestion(text, "scales", f"{scale}-x{_MORE}", experiment.scales, entry)


def _suggestion(text: str, section: str, name: str, taken: Container[str], entry: Any) -> Suggestion:
    """Return an entry under a name that is still free, as YAML in one line."""
    import yaml

    while name in taken:
        name += "b"
    line = yaml.safe_dump({name: entry}, default_flow_style=True, sort_keys=False, width=10_000).strip()[1:-1]
    return Suggestion(text=text, entry=f"{section}:\n  {line}")
