"""Local answers: batched text equals one-by-one text, records survive a crash, stop tokens end an answer."""

from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.generation.decoding import decode
from swap_assets.backends.generation.generation import LocalModel, generate, render_prompt
from swap_assets.backends.generation.records import RecordsError, read_rows
from swap_assets.backends.local_model import ModelUnavailableError, explain_loading, load_base, load_tokenizer
from swap_assets.backends.reporting import Reporter
from swap_assets.backends.specs import GenerateResult, GenerateSpec, Weights
from swap_assets.domain.contracts import Contract
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.prompts import PromptStyle

pytestmark = pytest.mark.slow


def spec_for(tiny: Weights, rows: Path, **changes: Any) -> GenerateSpec:
    fields = {
        "candidate_id": "tiny--s--none--greedy--base",
        "weights": tiny,
        "cases_file": rows / "cases.jsonl",
        "contract": Contract.HERMES,
        "prompt_style": PromptStyle.COMPACT,
        "batch_size": 4,
        "max_new_tokens": 24,
        "output": rows / "predictions.jsonl",
    }
    return GenerateSpec.model_validate({**fields, **changes})


def run(spec: GenerateSpec) -> GenerateResult:
    return generate(spec, reporter=Reporter(write=lambda _: None))


def records(spec: GenerateSpec) -> list[PredictionRecord]:
    return read_rows(spec.output, PredictionRecord)


def test_batched_text_equals_one_by_one_text(tiny: Weights, rows: Path) -> None:
    one = spec_for(tiny, rows, batch_size=1, output=rows / "one.jsonl")
    many = spec_for(tiny, rows, batch_size=5, output=rows / "many.jsonl")
    run(one)
    run(many)
    assert [record.text for record in records(one)] == [record.text for record in records(many)]
    assert len({record.text for record in records(one)}) > 1


def test_decoding_gives_the_tokens_that_transformers_gives(tiny: Weights, tokenizer: Any) -> None:
    model = load_base(tiny)
    left = load_tokenizer(tiny, padding_side="left")
    batch: Any = left(["a", "hello there", "x y z"] * 3, return_tensors="pt", padding=True)
    stops = [ord("q") - 30, 2, 40, 41]
    expected = model.generate(
        **batch, do_sample=False, max_new_tokens=40, eos_token_id=stops, pad_token_id=left.pad_token_id
    )[:, batch["input_ids"].shape[1] :].tolist()
    found = decode(model, batch["input_ids"], batch["attention_mask"], stops=stops, max_new_tokens=40)
    assert [row + [left.pad_token_id] * (len(expected[0]) - len(row)) for row in found] == expected


def test_rows_that_end_early_leave_the_batch_and_change_no_other_row(tiny: Weights) -> None:
    model, left = load_base(tiny), load_tokenizer(tiny, padding_side="left")
    prompts = [f"{letter} and {letter * 7}" for letter in "abcdefghijkl"]

    def answers(group: list[str]) -> list[list[int]]:
        batch: Any = left(group, return_tensors="pt", padding=True)
        return decode(model, batch["input_ids"], batch["attention_mask"], stops=range(50), max_new_tokens=30)

    together, alone = answers(prompts), [answers([prompt])[0] for prompt in prompts]
    assert together == alone
    assert len({len(answer) for answer in together}) > 2


def test_records_stand_in_the_order_of_the_cases_with_tokens_and_latency(tiny: Weights, rows: Path) -> None:
    spec = spec_for(tiny, rows)
    result = run(spec)
    cases = read_rows(spec.cases_file, EvalCase)
    found = records(spec)
    assert [record.case_id for record in found] == [case.id for case in cases]
    assert all(record.usage.prompt_tokens > 20 and record.latency_s > 0 for record in found)
    assert {record.latency_kind for record in found} == {"batch_share"}
    assert result.completion_tokens == sum(record.usage.completion_tokens for record in found)
    assert result.cut_answers == sum(record.finish_reason == "length" for record in found)


def test_a_resumed_job_asks_only_what_is_missing_and_ends_in_the_same_file(tiny: Weights, rows: Path) -> None:
    spec = spec_for(tiny, rows)
    run(spec)
    whole = spec.output.read_text().splitlines(keepends=True)
    spec.output.write_text("".join(whole[:7]) + whole[7][:50])
    again = run(spec)
    assert (again.asked, again.reused) == (5, 7)
    assert [record.text for record in records(spec)] == [
        PredictionRecord.model_validate_json(line).text for line in whole
    ]


def test_a_finished_job_loads_no_model(tiny: Weights, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_for(tiny, rows)
    run(spec)
    monkeypatch.setattr("swap_assets.backends.generation.generation.load_adapted", None)
    assert run(spec).asked == 0


def test_other_settings_or_another_epoch_are_asked_again(tiny: Weights, rows: Path) -> None:
    run(spec_for(tiny, rows))
    assert run(spec_for(tiny, rows, epoch="2")).reused == 0
    assert run(spec_for(tiny, rows, epoch="2", max_new_tokens=8)).reused == 0


def test_an_answer_ends_before_its_stop_token(tiny: Weights) -> None:
    import torch

    tokenizer = load_tokenizer(tiny, padding_side="left")
    model = load_base(tiny)
    bias = torch.zeros(model.config.vocab_size)
    bias[tokenizer.convert_tokens_to_ids("<|im_end|>")] = 1e6
    model.get_output_embeddings().register_forward_hook(lambda _module, _inputs, output: output + bias)
    answer = LocalModel(model, tokenizer, max_new_tokens=9).answer(["a"])[0]
    assert (answer.text, answer.completion_tokens, answer.stopped) == ("", 1, True)


def test_the_prompt_is_rendered_by_the_chat_template(tokenizer: Any) -> None:
    prompt = render_prompt(tokenizer, [{"role": "user", "content": "hi"}])
    assert prompt == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_a_missing_model_adapter_or_cases_file_is_one_sentence(tiny: Weights, rows: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="no model folder"):
        run(spec_for(tiny.model_copy(update={"source": "/nowhere/model"}), rows))
    with pytest.raises(FileNotFoundError, match="train the adapter first"):
        run(spec_for(tiny, rows, adapter=rows / "nothing"))
    with pytest.raises(RecordsError, match="cannot be read"):
        run(spec_for(tiny, rows, cases_file=rows / "nothing.jsonl"))


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("401 Client Error. Cannot access gated repo for url", "accept its licence"),
        ("We couldn't connect to 'https://huggingface.co' to load the files", "check the network"),
        ("Please pass the argument `trust_remote_code=True`", "trust_remote_code: true"),
        ("something else\nand more", "something else"),
    ],
)
def test_a_library_complaint_becomes_one_sentence(message: str, hint: str) -> None:
    said = explain_loading("meta-llama/x", message)
    assert hint in said and "\n" not in said and "meta-llama/x" in said
