"""What an experiment would run, estimated before anything starts: calls, tokens, money, hours of cards and of waiting.

The estimate is an upper bound on calls: rows that serve several test splits are asked once, here they count each time.
How long a card takes for what is in `gpu_hours`.
"""

from collections.abc import Iterable

from swap_assets.domain.experiment.costs import CHARACTERS_PER_TOKEN, AnswerEstimate, estimate_answers
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.gpu_hours import Card, answering_hours, training_hours
from swap_assets.domain.experiment.sources import TestSplitSizes
from swap_assets.domain.formats.base import Track
from swap_assets.domain.model import Conversation, Frozen, canonical_json
from swap_assets.domain.tracks import estimated_tokens

DOMAINS = 10
# A multi-turn conversation is asked at every assistant turn; Hermes' have two or three.
TURNS_PER_CONVERSATION = 3
SEALED = "release test"
INTERFACE = "interface choice"


class TextLengths(Frozen):
    """Mean characters of a prompt and of an answer, tokens of whole rows, and where the figures come from."""

    prompt: float
    answer: float
    rows: tuple[int, ...]
    basis: str

    def trained(self, max_length: int) -> float:
        """Return the mean tokens that training sees of a row."""
        return sum(min(tokens, max_length) for tokens in self.rows) / max(1, len(self.rows))


# Hermes' function-calling configs: median call row 3,600 characters, 5.5 % of them the assistant's (60 % of the rows),
# median extraction row 13,800 (40 %); 3.3 characters a token.
CALL_ROW, EXTRACTION_ROW = 1_090, 4_180
HERMES_LENGTHS = TextLengths(prompt=7_240, answer=440, rows=(*[CALL_ROW] * 3, *[EXTRACTION_ROW] * 2),
                             basis="medians of Hermes' rows, not read yet")  # fmt: skip


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
    """Everything that the experiment would run, if every gate opened.

    `answering` holds the hours of one card for local answers, by scale; `cards` work at the same time at most, and all
    is done after `wall_hours` where they never wait. None: no model says how large it is.
    """

    lengths: TextLengths
    hosted: dict[str, AnswerEstimate]
    local_answers: dict[str, int]
    answering: dict[str, float | None]
    trainings: tuple[PlannedTraining, ...]
    cards: int
    gpu_hours: float | None
    wall_hours: float | None
    gpu_cost: float | None


def measured_lengths(conversations: tuple[Conversation, ...]) -> TextLengths:
    """Measure mean lengths in characters on conversations that were read."""
    count = max(1, len(conversations))
    tools = sum(len(canonical_json(tool)) for item in conversations for tool in item.tools)
    prompts = sum(len(turn.text) for item in conversations for turn in item.turns if turn.role != "assistant")
    answers = sum(len(turn.text) + len(canonical_json(turn.calls)) for item in conversations for turn in item.turns
                  if turn.role == "assistant")  # fmt: skip
    return TextLengths(prompt=(tools + prompts) / count, answer=answers / count,
                       rows=tuple(map(estimated_tokens, conversations)),
                       basis=f"means of {len(conversations)} conversations")  # fmt: skip


def build_plan(experiment: Experiment, lengths: TextLengths, card: Card) -> Plan:
    """Estimate the whole experiment, its local work on one kind of card."""
    experiment = experiment.with_length(experiment.length_for(lengths.rows))
    calls = _calls(experiment)
    texts = {"prompt_characters": lengths.prompt, "answer_characters": lengths.answer}
    price = experiment.hosted_model.price
    hosted = {name: estimate_answers(calls=count, price=price, **texts) for name, count in calls.items()}
    local = {name: {model: _answers(experiment, name, model, count) for model in experiment.models}
             for name, count in calls.items()}  # fmt: skip
    answering = {name: _sum(_answering(experiment, lengths, card, model, count) for model, count in counts.items())
                 for name, counts in local.items()}  # fmt: skip
    trainings = tuple(_training(experiment, lengths, card, model=model, scale=scale, approach=approach)
                      for scale in experiment.scales for model in experiment.models
                      for approach in experiment.approach_names)  # fmt: skip
    hours = _sum([*answering.values(), *(item.gpu_hours for item in trainings)])
    shared = [(item.gpu_hours or 0) / experiment.small_model(item.model).gpus for item in trainings]
    at_once = experiment.model_processes or 1
    wall = None if hours is None else (sum(shared) + (_sum(answering.values()) or 0)) / at_once
    per_hour = experiment.prices.gpu_hour
    return Plan(
        lengths=lengths, hosted=hosted, local_answers={name: sum(counts.values()) for name, counts in local.items()},
        answering=answering, trainings=trainings, cards=experiment.cards_at_once, gpu_hours=hours, wall_hours=wall,
        gpu_cost=None if hours is None or per_hour is None else hours * per_hour,
    )  # fmt: skip


def _calls(experiment: Experiment) -> dict[str, int]:
    """Return how often the hosted model is asked, by scale and beside the scales."""
    calls = {name: (cases_of(scale.test_splits) + scale.test * TURNS_PER_CONVERSATION) * len(Track)
             for name, scale in experiment.scales.items()}  # fmt: skip
    # The sealed rows are the same at every scale: the LLM is asked once, the nominated candidate at each.
    calls[SEALED] = experiment.release_test * TURNS_PER_CONVERSATION
    if len(experiment.hosted_model.interfaces) > 1:
        # Validation rows nest, so the largest scale's are all; each is asked through both interfaces in both tracks.
        rows = max(scale.validation for scale in experiment.scales.values())
        calls[INTERFACE] = rows * TURNS_PER_CONVERSATION * len(experiment.hosted_model.interfaces) * len(Track)
    return calls


def _answers(experiment: Experiment, name: str, model: str, calls: int) -> int:
    """Return how many answers a small model gives where the hosted one is asked so often."""
    if name == INTERFACE:
        return 0
    if name == SEALED:
        return calls * len(experiment.scales)
    return calls * (1 + len(experiment.approaches) * len(experiment.small_model(model).decoding))


def _answering(experiment: Experiment, lengths: TextLengths, card: Card, model: str, answers: int) -> float | None:
    entry = experiment.small_model(model)
    if not entry.parameters_billion:
        return None
    prompt, written = lengths.prompt / CHARACTERS_PER_TOKEN, lengths.answer / CHARACTERS_PER_TOKEN
    rows = max(1, int(entry.generation_tokens / (prompt + entry.max_answer_tokens)))
    return answering_hours(
        answers, billions=entry.parameters_billion, dtype=entry.dtype, prompt=prompt, written=written, rows=rows,
        card=card,
    )  # fmt: skip


def _sum(hours: Iterable[float | None]) -> float | None:
    """Add the hours that are known, None where none is."""
    known = [item for item in hours if item is not None]
    return sum(known) if known else None


def cases_of(sizes: TestSplitSizes) -> int:
    """Return the most cases that the test splits of a scale can hold."""
    single = sum(sizes.single_turn.model_dump().values())
    multi = sum(sizes.multi_turn.model_dump().values()) * TURNS_PER_CONVERSATION
    return single + multi + sizes.per_domain * DOMAINS + sizes.no_call + sizes.parallel


def _training(
    experiment: Experiment, lengths: TextLengths, card: Card, *, model: str, scale: str, approach: str
) -> PlannedTraining:
    settings, billions = (
        experiment.approach_for(approach, model=model, scale=scale), experiment.small_model(model).parameters_billion,
    )  # fmt: skip
    rows, epochs, adapters = experiment.scale(scale).train, settings.training.epochs, len(settings.adapters)
    tokens = adapters * rows * epochs * lengths.trained(settings.training.max_length)
    nf4 = settings.training.quantisation == "nf4"
    hours = training_hours(billions=billions, tokens=tokens, nf4=nf4, card=card) if billions else None
    return PlannedTraining(
        model=model, scale=scale, approach=approach, adapters=adapters, rows=rows, epochs=epochs, gpu_hours=hours,
        condition="always" if settings.trains == "always" else "if the gate says so",
    )  # fmt: skip
