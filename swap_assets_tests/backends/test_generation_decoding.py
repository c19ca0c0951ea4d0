"""Decoding: rows that share one cache say what they say alone, on every kind of model; memory that runs out."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from swap_assets.backends.engines.decoding import decode
from swap_assets.backends.engines.rows import Budget, Constraint, OutOfRoomError, Row
from swap_assets.backends.engines.sharing import UNLIMITED, decode_in_batches, sharing

pytestmark = pytest.mark.slow

STOPS = frozenset(range(30))
LIMIT = 25
SHAPE = {
    "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "initializer_range": 0.2, "max_position_embeddings": 512, "pad_token_id": 0,
    "bos_token_id": None, "eos_token_id": 2,
}  # fmt: skip
LONG_ROPE = {
    "rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 4, "long_factor": [3.0] * 4,
    "original_max_position_embeddings": 64,
}  # fmt: skip


def build(kind: str, *, attention: str = "sdpa", **settings: Any) -> Any:
    import torch
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**{**SHAPE, **settings})
    return getattr(transformers, f"{kind}ForCausalLM")._from_config(config, attn_implementation=attention).eval()


def adapted() -> Any:
    import torch
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(build("Llama"), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.3)
    return model.eval()


MODELS: dict[str, tuple[Callable[[], Any], int]] = {
    "llama": (lambda: build("Llama"), UNLIMITED),
    "llama, eager attention": (lambda: build("Llama", attention="eager"), UNLIMITED),
    "llama under an adapter": (adapted, UNLIMITED),
    "phi-3 with a window that is longer than most rows": (lambda: build("Phi3", sliding_window=100), 100),
    "phi-3 with frequencies that change with length": (
        lambda: build("Phi3", original_max_position_embeddings=64, rope_parameters=LONG_ROPE), 64,
    ),
    "qwen 2": (lambda: build("Qwen2"), UNLIMITED),
    "gemma 2 with a short window": (lambda: build("Gemma2", attention="eager", head_dim=8, sliding_window=30), 30),
    "falcon with alibi": (lambda: build("Falcon", alibi=True, num_kv_heads=2), 0),
    "mamba": (lambda: build("Mamba", attention="eager", state_size=4), 0),
}  # fmt: skip


def make_rows(count: int = 14, *, shortest: int = 3) -> list[Row]:
    draw = random.Random(1)
    return [Row(n, [draw.randrange(30, 300) for _ in range(draw.randrange(shortest, 90))], LIMIT) for n in range(count)]


def alone(model: Any, row: Row) -> list[int]:
    import torch

    prompt = torch.tensor([row.prompt])
    with torch.inference_mode():
        answer = model.generate(
            inputs=prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=row.limit,
            eos_token_id=sorted(STOPS), pad_token_id=0,
        )  # fmt: skip
    return answer[0, prompt.shape[1] :].tolist()


@pytest.mark.parametrize("name", MODELS)
def test_rows_together_say_the_tokens_that_transformers_says_for_each_alone(name: str) -> None:
    make, longest = MODELS[name]
    model, rows = make(), make_rows()
    found = sharing(model)
    assert found.longest == longest and bool(found.reason) == (longest < UNLIMITED)
    together = [row for row in rows if row.need <= found.longest]
    others = [row for row in rows if row.need > found.longest]
    ended = list(decode(model, together, stops=STOPS, budget=Budget(500)))
    ended += decode_in_batches(model, others, stops=STOPS, budget=Budget(500), alone=found.alone)
    assert sorted(row.index for group in ended for row in group) == list(range(len(rows)))
    assert [row.tokens for row in rows] == [alone(model, row) for row in rows]
    assert len({len(row.tokens) for row in rows}) > 1 or not together


@pytest.mark.parametrize("budget", [1, 116, 300, 1000, 100_000])
def test_no_budget_changes_a_token(budget: int) -> None:
    model = build("Llama")
    rows, reference = make_rows(), make_rows()
    for _ in decode(model, rows, stops=STOPS, budget=Budget(budget)):
        pass
    for row in reference:
        list(decode(model, [row], stops=STOPS, budget=Budget(1)))
    assert [row.tokens for row in rows] == [row.tokens for row in reference]


def test_a_slot_is_filled_again_while_other_rows_go_on() -> None:
    model = build("Llama")
    seen: list[int] = []
    model.register_forward_pre_hook(
        lambda _module, _args, given: (
            seen.append(len(given["input_ids"])) if given["input_ids"].shape[1] == 1 else None
        ),
        with_kwargs=True,
    )
    rows = make_rows(12, shortest=60)
    for _ in decode(model, rows, stops=STOPS, budget=Budget(4 * max(row.need for row in rows))):
        pass
    steps = sum(len(row.tokens) - 1 for row in rows)
    assert max(seen) == 4 and sum(seen) == steps
    assert len(seen) < steps / 2.5


def failing(model: Any, error: Exception, *, above_rows: int, from_call: int = 0) -> None:
    """Make the model raise once more than so many rows are computed at once, from a call on."""
    calls = iter(range(10**9))

    def check(_module: Any, _args: Any, given: dict[str, Any]) -> None:
        if next(calls) >= from_call and len(given["input_ids"]) > above_rows:
            raise error

    model.register_forward_pre_hook(check, with_kwargs=True)


def errors() -> Iterator[Exception]:
    import torch

    yield torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    yield RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("way", [decode, decode_in_batches])
def test_memory_that_runs_out_halves_the_budget_and_loses_no_row(way: Any, number: int) -> None:
    model, rows = build("Llama"), make_rows()
    expected = [alone(model, row) for row in rows]
    failing(model, list(errors())[number], above_rows=3, from_call=4 if way is decode else 0)
    budget = Budget(100_000)
    ended = [row.index for group in way(model, rows, stops=STOPS, budget=budget) for row in group]
    assert sorted(ended) == list(range(len(rows)))
    assert [row.tokens for row in rows] == expected
    assert budget.tokens < 1000


@pytest.mark.parametrize("way", [decode, decode_in_batches])
def test_memory_that_holds_no_single_row_is_one_sentence(way: Any) -> None:
    model = build("Llama")
    failing(model, next(errors()), above_rows=0)
    with pytest.raises(OutOfRoomError, match="does not hold a single row"):
        list(way(model, make_rows(3), stops=STOPS, budget=Budget(1000)))


@pytest.mark.parametrize("way", [decode, decode_in_batches])
def test_any_other_error_is_not_taken_for_missing_memory(way: Any) -> None:
    model = build("Llama")
    failing(model, RuntimeError("shapes do not match"), above_rows=0)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(way(model, make_rows(3), stops=STOPS, budget=Budget(1000)))


@pytest.mark.parametrize("shared", [True, False])
def test_an_answer_that_repeats_itself_or_begins_a_turn_is_cut_and_says_why(shared: bool) -> None:
    model, turn = build("Llama"), frozenset({299})

    class Script(Constraint):
        """Says what is written, whatever the model would."""

        def __init__(self, tokens: list[int]) -> None:
            self._tokens = iter(tokens)

        def allow(self, logits: Any) -> Any:
            logits = logits.clone().fill_(float("-inf"))
            logits[next(self._tokens)] = 0.0
            return logits

    script = {
        "repetition": [40, 41, 42] * 60, "second_turn": [50, 51, 299] + [60] * 200, "stop": [70, 71, 2],
        "length": [50 + step % 200 for step in range(200)], "echo": [*range(120, 180), 2],
    }  # fmt: skip
    rows = [
        Row(index, list(range(100, 160)), 150, lambda tokens=tokens: Script(tokens), turn)
        for index, tokens in enumerate(script.values())
    ]
    how: Any = {"stops": STOPS, "budget": Budget(100_000)}
    list(decode(model, rows, **how) if shared else decode_in_batches(model, rows, **how))
    assert [row.finish for row in rows] == [*list(script)[:4], "repetition"]
    assert [len(row.tokens) for row in rows] == [67, 3, 3, 150, 32]


def test_without_turns_nothing_is_cut() -> None:
    row = Row(0, [100], 90)
    row.begin()
    for _ in range(90):
        row.take(299, STOPS)
    assert row.finish == "length" and row.ended
