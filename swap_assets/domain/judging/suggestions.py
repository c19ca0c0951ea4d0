"""What to try when no candidate is near enough: a larger rank, more epochs, more data, as entries ready to paste.

models:
  phi-4-mini-r32: {extends: phi-4-mini, approaches: {paper: {lora: {r: 32, alpha: 64}}}}

A variant stands beside the model that it extends. More data stands in place of the scale that fell short: a scale that
came after it would wait for a decision that says iterate.
"""

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
    more_data = _more_data(experiment, candidate.scale)
    if candidate.form is Form.BASE:
        return (more_data,)
    return (*_variants(experiment, candidate), more_data)


def _variants(experiment: Experiment, candidate: Candidate) -> list[Suggestion]:
    model, approach = candidate.model, candidate.recipe
    settings = experiment.approach_for(approach, model=model, scale=candidate.scale)
    lora, epochs = settings.lora, settings.training.epochs
    found = []
    if (rank := 2 * lora.r) <= _HIGHEST_RANK:
        changes = {"lora": {"r": rank, "alpha": 2 * lora.alpha}}
        text = f"rank {rank} instead of {lora.r}: room for more to learn"
        found.append(_variant(experiment, model, f"r{rank}", approach, changes, text=text))
    if (more := 2 * epochs) <= _MOST_EPOCHS:
        changes = {"training": {"epochs": more}}
        text = f"{more} epochs instead of {epochs}: the same rows seen longer"
        found.append(_variant(experiment, model, f"e{more}", approach, changes, text=text))
    return found


def _variant(
    experiment: Experiment, model: str, ending: str, approach: str, changes: dict[str, Any], *, text: str
) -> Suggestion:
    name = _free_name(f"{model}-{ending}", experiment.models)
    entry = {"extends": model, "approaches": {approach: changes}}
    return Suggestion(text=text, entry=f"models:\n  {_flow(name, entry)}")


def _more_data(experiment: Experiment, scale: str) -> Suggestion:
    sizes = experiment.scale(scale)
    name = _free_name(f"{scale}-x{_MORE}", experiment.scales)
    entry = sizes.model_copy(update={"train": _MORE * sizes.train}).model_dump(mode="json", exclude_defaults=True)
    text = (
        f"{_MORE * sizes.train} training rows instead of {sizes.train}, in place of scale '{scale}', where the source "
        "holds as many"
    )
    return Suggestion(text=text, entry=f"scales:\n  {_flow(name, entry)}")


def _free_name(wanted: str, taken: Any) -> str:
    name = wanted
    while name in taken:
        name += "b"
    return name


def _flow(name: str, entry: Any) -> str:
    """Write an entry as YAML in one line."""
    import yaml

    return yaml.safe_dump({name: entry}, default_flow_style=True, sort_keys=False, width=10_000).strip()[1:-1]
