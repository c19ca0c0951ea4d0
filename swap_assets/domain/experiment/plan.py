"""What an experiment would run, estimated before anything starts: calls, tokens, money, GPU hours.

The estimate is an upper bound on calls: rows that serve several test splits are asked once, here they count each time.
"""

from swap_assets.domain.conversations import Conversation
from swap_assets.domain.experiment.costs import CHARACTERS_PER_TOKEN, AnswerEstimate, estimate_answers, training_hours
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.sources import TestSplitSizes
from swap_assets.domain.formats.base import Track
from swap_assets.domain.model import Frozen, canonical_json

DOMAINS = 10
# A multi-turn conversation is asked at every assistant turn; Hermes' have two or three.
TURNS_PER_CONVERSATION = 3
SEALED = "release test"
INTERFACE = "interface choice"


class TextLengths(Frozen):
    """Mean characters of a prompt and of an answer, and where the figures come from."""

    prompt: float
    answer: float
    basis: str


# Median call row of Hermes func_calling_singleturn: 3.6 thousand characters, 5.5 % of them the assistant's.
HERMES_LENGTHS = TextLengths(prompt=3400, answer=200, basis="medians of Hermes call rows")


class PlannedTraining(Frozen):
    """The adapters of one approach for one model at one scale; `gpu_hours` is None where its size is not given."""

    model: str
    scale: str
    approach: str
    adapters: int
    rows: int
    epochs: int
    condition: str
    gpu_hours: float | None


class Plan(Frozen):
    """Everything that the experiment would run, if every gate opened."""

    lengths: TextLengths
    hosted: dict[str, AnswerEstimate]
    local_answers: dict[str, int]
    trainings: tuple[PlannedTraining, ...]
    gpu_cost: float | None


def measured_lengths(conversations: tuple[Conversation, ...]) -> TextLengths:
    """Measure mean lengths in characters on conversations that were read."""
    count = max(1, len(conversations))
    tools = sum(len(canonical_json(tool)) for item in conversations for tool in item.tools)
    prompts = sum(len(turn.text) for item in conversations for turn in item.turns if turn.role != "assistant")
    answers = sum(
        len(turn.text) + len(canonical_json(turn.calls))
        for item in conversations
        for turn in item.turns
        if turn.role == "assistant"
    )
    return TextLengths(
        prompt=(tools + prompts) / count, answer=answers / count, basis=f"means of {len(conversations)} conversations"
    )


def build_plan(experiment: Experiment, lengths: TextLengths) -> Plan:
    """Estimate the whole experiment."""
    calls = {name: cases_of(scale.test_splits) * len(Track) for name, scale in experiment.scales.items()}
    candidates = sum(1 + len(experiment.approaches) * len(entry.decoding) for entry in experiment.models.values())
    local = {name: count * candidates for name, count in calls.items()}
    # The sealed rows are the same at every scale: the LLM is asked once, the nominated candidate at each.
    calls[SEALED] = experiment.release_test * TURNS_PER_CONVERSATION
    local[SEALED] = calls[SEALED] * len(experiment.models) * len(experiment.scales)
    if len(experiment.hosted_model.interfaces) > 1:
        # Validation rows nest, so the largest scale's are all; each is asked through both interfaces in both tracks.
        rows = max(scale.validation for scale in experiment.scales.values())
        calls[INTERFACE] = rows * TURNS_PER_CONVERSATION * len(experiment.hosted_model.interfaces) * len(Track)
        local[INTERFACE] = 0
    texts = {"prompt_characters": lengths.prompt, "answer_characters": lengths.answer}
    price = experiment.hosted_model.price
    hosted = {name: estimate_answers(calls=count, price=price, **texts) for name, count in calls.items()}
    trainings = tuple(
        _training(experiment, lengths, model=model, scale=scale, approach=approach)
        for scale in experiment.scales
        for model in experiment.models
        for approach in experiment.approach_names
    )
    hours = [item.gpu_hours for item in trainings if item.gpu_hours is not None]
    per_hour = experiment.prices.gpu_hour
    cost = sum(hours) * per_hour if hours and per_hour is not None else None
    return Plan(lengths=lengths, hosted=hosted, local_answers=local, trainings=trainings, gpu_cost=cost)


def cases_of(sizes: TestSplitSizes) -> int:
    """Return the most cases that the test splits of a scale can hold."""
    single = sum(sizes.single_turn.model_dump().values())
    multi = sum(sizes.multi_turn.model_dump().values()) * TURNS_PER_CONVERSATION
    return single + multi + sizes.per_domain * DOMAINS + sizes.no_call + sizes.parallel


def _training(
    experiment: Experiment, lengths: TextLengths, *, model: str, scale: str, approach: str
) -> PlannedTraining:
    settings = experiment.approach_for(approach, model=model, scale=scale)
    size = {"rows": experiment.scale(scale).train, "epochs": settings.training.epochs}
    tokens = min((lengths.prompt + lengths.answer) / CHARACTERS_PER_TOKEN, settings.training.max_length)
    hours = None
    if experiment.small_model(model).parameters_billion:
        speed = experiment.prices.gpu_tokens_per_second
        hours = len(settings.adapters) * training_hours(tokens_per_row=tokens, tokens_per_second=speed, **size)
    return PlannedTraining(
        model=model, scale=scale, approach=approach, adapters=len(settings.adapters), **size, gpu_hours=hours,
        condition="always" if settings.trains == "always" else "if the gate says so",
    )  # fmt: skip
