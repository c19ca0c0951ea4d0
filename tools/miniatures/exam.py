"""Greedy answers of a miniature to conversations it never saw, compared whole: right to the last character or wrong."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tools.miniatures.stages import THIRD_STAGE
from tools.miniatures.stream import Message, pretraining_rows
from tools.miniatures.tokenizer import ConversationEncoder

HELD_OUT_SEED = 20_011
ANSWER_TOKENS = 352  # three calls in the hermes answer format take 300
_BATCH = 16


@dataclass(frozen=True)
class Question:
    """Messages up to an assistant turn, the text that turn should have, and the kind that the score is listed under.

    Where `words_will_do`, no tool is to be called and any sentence that calls none is right.
    """

    kind: str
    messages: tuple[Message, ...]
    answer: str
    words_will_do: bool = False

    def is_right(self, text: str) -> bool:
        """Return whether an answer is right to the last character, or calls nothing where nothing is to be called."""
        return text == self.answer or (self.words_will_do and bool(text) and text[0] not in "<[{")


def held_out_questions(count: int) -> list[Question]:
    """Return the last assistant turn of `count` rows of the pre-training distribution with held-out entities."""
    rows = pretraining_rows(HELD_OUT_SEED, THIRD_STAGE, THIRD_STAGE + count, held_out=True)
    return [Question(row.kind, row.messages[:-1], row.messages[-1]["content"]) for row in rows]


def exact_match(model: Any, tokenizer: Any, questions: Sequence[Question]) -> dict[str, float]:
    """Return the share of exact answers: under `exact` over all questions, and under each kind."""
    hits: dict[str, list[bool]] = defaultdict(list)
    for question, text in zip(questions, answers(model, tokenizer, questions), strict=True):
        hits["exact"].append(question.is_right(text))
        hits[question.kind].append(question.is_right(text))
    return {kind: round(sum(found) / len(found), 3) for kind, found in hits.items()}


def answers(model: Any, tokenizer: Any, questions: Sequence[Question]) -> list[str]:
    """Return the greedy answers in the order of the questions; those of like length are generated together."""
    encoder = ConversationEncoder(tokenizer)
    prompts = [encoder.prompt(question.messages) for question in questions]
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    texts: dict[int, str] = {}
    for start in range(0, len(order), _BATCH):
        places = order[start : start + _BATCH]
        texts.update(zip(places, _generate(model, tokenizer, [prompts[place] for place in places]), strict=True))
    return [texts[place] for place in range(len(questions))]


def _generate(model: Any, tokenizer: Any, prompts: list[list[int]]) -> Iterator[str]:
    import torch

    width = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[tokenizer.pad_token_id] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    with torch.inference_mode():
        made = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=ANSWER_TOKENS,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    for row in made[:, width:].tolist():
        stop = row.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in row else len(row)
        yield tokenizer.decode(row[:stop])
