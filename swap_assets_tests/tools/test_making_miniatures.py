"""The miniatures and their making: sizes, tokenizer, loss mask, resuming, and copying what was never seen."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.domain.experiment.sources import SyntheticSource
from swap_assets.domain.formats.base import answer_formats
from swap_assets.domain.synthetic.generator import GeneratorSettings, generate
from tools.miniatures.exam import exact_match, held_out_questions
from tools.miniatures.loop import Recipe, Trainer, batches, build_model
from tools.miniatures.make import (
    FIRST_STAGE_RECIPE,
    LONGER_RECIPE,
    LONGER_ROW,
    PUPIL_RECIPE,
    PUPIL_ROW,
    SECOND_STAGE_RECIPE,
    SEED,
    THIRD_STAGE_RECIPE,
)
from tools.miniatures.stages import SECOND_STAGE, THIRD_STAGE
from tools.miniatures.stream import pretraining_row, pretraining_rows
from tools.miniatures.teacher import teacher_conversation
from tools.miniatures.tokenizer import END, ConversationEncoder, load_tokenizer

MINIATURES = Path(str(files("swap_assets"))) / "miniatures"
LAYERS = {"student": 4, "pupil": 3, "teacher": 4}
VALUES = (
    "Zoë Åström",
    "AB-1234",
    "t.bresk9@olmay.net",
    "2031-04-09",
    "a_b/c.d",
    "{}[]:,<>=",
    "  two  ",
    "€ 12.50",
    "漢字",
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: on a busy machine two wait for each other and take ten times as long."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(MINIATURES / "student")


def test_the_miniatures_are_small_enough_to_be_carried() -> None:
    sizes = {path: path.stat().st_size for path in MINIATURES.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 12_000_000


@pytest.mark.parametrize("name", LAYERS)
def test_a_miniature_is_a_llama_in_float16_of_the_size_in_the_notes_that_answers_greedily(name: str) -> None:
    from safetensors.numpy import load_file
    from transformers import AutoConfig, GenerationConfig

    tensors = load_file(MINIATURES / name / "model.safetensors")
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"float16"}
    config = AutoConfig.from_pretrained(MINIATURES / name)
    layers = LAYERS[name]
    assert (config.model_type, config.num_hidden_layers, config.hidden_size) == ("llama", layers, 192)
    assert sum(tensor.size for tensor in tensors.values()) == 295_104 + layers * 442_752
    assert config.max_position_embeddings >= 2048
    generation = GenerationConfig.from_pretrained(MINIATURES / name)
    ends = load_tokenizer(MINIATURES / name)
    assert not generation.do_sample
    assert (generation.eos_token_id, generation.pad_token_id) == (ends.eos_token_id, ends.pad_token_id)
    assert ends.eos_token == END


@pytest.mark.parametrize("value", VALUES)
def test_the_tokenizer_gives_back_every_value_and_cuts_it_alike_inside_json(tokenizer: Any, value: str) -> None:
    ids = tokenizer.encode(value, add_special_tokens=False)
    assert tokenizer.decode(ids) == value
    quoted = tokenizer.encode(f'{{"k": "{value}"}}', add_special_tokens=False)
    assert any(quoted[start : start + len(ids)] == ids for start in range(len(quoted)))


def test_digits_punctuation_and_spaces_are_tokens_of_their_own(tokenizer: Any) -> None:
    assert len(tokenizer.encode("2031-04, {}", add_special_tokens=False)) == len("2031-04, {}")


def test_the_fast_encoder_agrees_with_the_chat_template_and_marks_only_the_assistant(tokenizer: Any) -> None:
    encoder = ConversationEncoder(tokenizer)
    for row in pretraining_rows(5, SECOND_STAGE, SECOND_STAGE + 60):
        templated = tokenizer.apply_chat_template(
            list(row.messages), return_dict=True, return_assistant_tokens_mask=True, tokenize=True
        )
        ids, mask = encoder.encode(row.messages)
        assert ids == templated["input_ids"]
        assert [int(each) for each in mask] == templated["assistant_masks"]
        assert any(mask)
        said = "".join(m["content"] + END for m in row.messages if m["role"] == "assistant")
        assert tokenizer.decode([token for token, trained in zip(ids, mask, strict=True) if trained]) == said


def test_the_generation_prompt_is_the_beginning_of_an_answer(tokenizer: Any) -> None:
    messages = list(pretraining_row(5, SECOND_STAGE + 3).messages[:-1])
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text.endswith("<|im_start|>assistant\n")
    assert ConversationEncoder(tokenizer).prompt(messages) == tokenizer.encode(text, add_special_tokens=False)


def test_batches_keep_every_row_and_their_token_budget() -> None:
    rows = [([index] * (1 + index % 37), [True]) for index in range(200)]
    made = list(batches(rows, 4, batch_tokens=64))
    assert sorted(row[0][0] for batch in made for row in batch) == list(range(200))
    assert all(len(batch) * max(len(ids) for ids, _ in batch) <= 64 for batch in made)
    assert made == list(batches(rows, 4, batch_tokens=64))


def test_the_teacher_is_shown_no_row_of_the_test_pool_and_none_that_the_demo_draws() -> None:
    shown = {
        message["content"]
        for index in range(600)
        for message in teacher_conversation(2718, index)
        if message["role"] == "user"
    }
    demo = GeneratorSettings(rows=300, seed=7, tools_per_domain=1, max_distractors=1, verbatim_values=True)
    reserved = [demo, demo.model_copy(update={"test_share": 1.0, "verbatim_values": False, "tools_per_domain": 3})]
    asked = {row.turns[0].text for settings in reserved for row in generate(settings)}
    assert len(shown) > 500
    assert not shown & asked


@pytest.mark.lasting
def test_a_killed_training_goes_on_to_the_same_weights(tokenizer: Any, tmp_path: Path) -> None:
    recipe = Recipe(tokens=2400, window_rows=4, checkpoint_every=800)

    def trainer() -> Trainer:
        model = build_model(1, len(tokenizer), pad=tokenizer.pad_token_id, end=tokenizer.eos_token_id)
        stream = lambda index: list(pretraining_row(1, index).messages)  # noqa: E731
        return Trainer(model, ConversationEncoder(tokenizer), recipe=recipe, conversation=stream)

    def killed_at_the_second(_: Any) -> dict[str, float]:
        if interrupted.progress.tokens > 1600:
            raise KeyboardInterrupt
        return {}

    straight, interrupted, resumed = trainer(), trainer(), trainer()
    straight.run(tmp_path / "straight.pt", lambda _: {})
    with pytest.raises(KeyboardInterrupt):
        interrupted.run(tmp_path / "killed.pt", killed_at_the_second)
    assert 0 < interrupted.progress.tokens < straight.progress.tokens
    resumed.run(tmp_path / "killed.pt", lambda _: {})
    assert resumed.progress.tokens == straight.progress.tokens
    for one, other in zip(resumed.model.parameters(), straight.model.parameters(), strict=True):
        assert one.equal(other)


@pytest.mark.lasting
def test_the_student_copies_values_that_it_never_saw(tokenizer: Any) -> None:
    """Over 300 rows it is 83.0 % (docs/lab-notes.md)."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(MINIATURES / "student", dtype="float32")
    assert exact_match(model, tokenizer, held_out_questions(300))["exact"] >= 0.8


@pytest.mark.slow
def test_a_short_training_gives_the_same_weights_again(tokenizer: Any, tmp_path: Path) -> None:
    def trained(name: str) -> list[Any]:
        model = build_model(1, len(tokenizer), pad=tokenizer.pad_token_id, end=tokenizer.eos_token_id, width=64)
        recipe = Recipe(tokens=1500, window_rows=4)
        stream = lambda index: list(pretraining_row(1, THIRD_STAGE + index).messages)  # noqa: E731
        Trainer(model, ConversationEncoder(tokenizer), recipe=recipe, conversation=stream).run(
            tmp_path / name, lambda _: {}
        )
        return list(model.parameters())

    assert all(one.equal(other) for one, other in zip(trained("one"), trained("other"), strict=True))


@pytest.mark.lasting
def test_no_test_row_of_the_demo_stands_anywhere_in_what_the_students_were_pre_trained_on() -> None:
    """Regenerates every row of the recipes' stages, with a margin for how many rows their tokens came to."""
    experiment = load_experiment(Path(__file__).parents[2] / "examples" / "demo" / "swap.yaml")
    assert isinstance(experiment.source, SyntheticSource)
    rows = [row for row in generate(experiment.source.generator) if row.provenance.config == "test"]
    asked = {row.turns[0].text for row in rows}  # a later turn may be a bare number, which a drill may hold too
    called = {written.write(turn.calls) for written in answer_formats().values() for row in rows for turn in row.turns
              if turn.calls}  # fmt: skip
    assert min(len(asked), len(called)) > 500
    tokens_per_row = 140  # the shortest mean of the three stages, less a little
    stages = {0: FIRST_STAGE_RECIPE, SECOND_STAGE: SECOND_STAGE_RECIPE, THIRD_STAGE: THIRD_STAGE_RECIPE}
    stages |= {PUPIL_ROW: PUPIL_RECIPE, LONGER_ROW: LONGER_RECIPE}
    for first, recipe in stages.items():
        for row in pretraining_rows(SEED, first, first + recipe.tokens // tokens_per_row):
            texts = {message["content"] for message in row.messages}
            assert not texts & asked, row
            assert not texts & called, row
