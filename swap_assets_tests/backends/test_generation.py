"""Local answers: batched text equals one-by-one text, records survive a crash, no limit cuts an expected answer."""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.engines import ENGINES, generate
from swap_assets.backends.engines.generation import RecordsError, read_cases, read_rows, write_rows
from swap_assets.backends.engines.local import AnswerLimitError, LocalEngine
from swap_assets.backends.engines.transformers import LocalModel
from swap_assets.backends.models.chat_template import render_prompt
from swap_assets.backends.models.local_model import ModelUnavailableError, explain_loading, load_base, load_tokenizer
from swap_assets.backends.models.provenance import miniature_folder
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.specs import GenerateResult, GenerateSpec, Weights, read_spec, write_spec
from swap_assets.backends.processes.supervision import worker_command
from swap_assets.backends.processes.worker import perform
from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.defs.metadata import evaluation_result
from swap_assets.domain.experiment.engines import ENGINE_SETTINGS, EngineSettings, Transformers
from swap_assets.domain.experiment.entries import SmallModel
from swap_assets.domain.experiment.sources import SyntheticSource
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.prompts import render_messages
from swap_assets.domain.keys import base
from swap_assets.domain.model import EvalCase
from swap_assets.domain.predictions import Answer, PredictionRecord
from swap_assets.domain.scoring.evaluation import Evaluation, measure, union_of_cases
from swap_assets.domain.splits.capability_splits import select
from swap_assets.domain.splits.scale_split import split_scale
from swap_assets.domain.synthetic.generator import generate as generate_rows
from swap_assets_tests.fakes import weather_case

pytestmark = pytest.mark.slow

TEST_SPLITS = ("single_turn_test", "multi_turn_test", "domain_diverse_test", "no_call_test", "parallel_test")
CITIES = ("Oslo", "Ulm", "Riga", "Graz", "Lyon", "Bern", "Rio", "Kiel", "Nis", "Ghent", "Cork", "Turku")


def spec_for(tiny: Weights, rows: Path, **changes: Any) -> GenerateSpec:
    fields = {
        "candidate_id": "tiny--s--none--greedy--base",
        "weights": tiny,
        "cases_files": [rows / "cases.jsonl"],
        "answer_format": HERMES,
        "prompt_style": PromptStyle.COMPACT,
        "max_new_tokens": 96,
        "output": rows / "predictions.jsonl",
    }
    return GenerateSpec.model_validate({**fields, **changes})


def run(spec: GenerateSpec) -> GenerateResult:
    return generate(spec, reporter=Reporter(write=lambda _: None))


def records(spec: GenerateSpec) -> list[PredictionRecord]:
    return read_rows(spec.output, PredictionRecord)


def test_batched_text_equals_one_by_one_text(tiny: Weights, rows: Path) -> None:
    one = spec_for(tiny, rows, token_budget=1, output=rows / "one.jsonl")
    many = spec_for(tiny, rows, token_budget=5 * 300, output=rows / "many.jsonl")
    run(one)
    assert run(many).method == "12 rows over one cache"
    assert [record.text for record in records(one)] == [record.text for record in records(many)]
    assert len({record.text for record in records(one)}) > 1


def test_the_miniature_says_for_every_row_of_the_demo_what_transformers_says_one_by_one(rows: Path) -> None:
    import torch

    student = Weights(source=str(miniature_folder("student")), dtype="float32")
    spec = spec_for(student, rows, max_new_tokens=224)
    cases = demo_cases()
    assert len(cases) > 60 and len({case.id for case in cases}) == len(cases)
    write_rows(spec.cases_files[0], cases)
    assert run(spec).method == f"{len(cases)} rows over one cache"
    model, tokenizer = load_base(student), load_tokenizer(student)
    for case, record in zip(read_cases(spec.cases_files), records(spec), strict=True):
        messages = render_messages(case.tools, case.history, answer_format=spec.answer_format, style=spec.prompt_style)
        prompt = tokenizer(render_prompt(tokenizer, messages), return_tensors="pt", add_special_tokens=False)[
            "input_ids"
        ]
        with torch.inference_mode():
            said = model.generate(
                prompt, attention_mask=torch.ones_like(prompt), do_sample=False, repetition_penalty=1.0,
                max_new_tokens=224, eos_token_id=LocalModel(model, tokenizer, max_new_tokens=1).stops,
            )[0, prompt.shape[1] :]  # fmt: skip
        assert record.text == tokenizer.decode(said, skip_special_tokens=True)
        assert record.usage.completion_tokens == len(said)


def demo_cases() -> list[EvalCase]:
    """Every test row of the demo."""
    demo = load_experiment(Path(__file__).parents[2] / "examples" / "demo" / "swap.yaml")
    assert isinstance(demo.source, SyntheticSource)
    drawn = list(generate_rows(demo.source.generator))
    split = split_scale(drawn, scale="small", scales=demo.scales, release_test=demo.release_test, seed=demo.seed)
    sizes = demo.scale("small").test_splits
    tests = [select(name, conversations=drawn, split=split, sizes=sizes).cases for name in TEST_SPLITS]
    return union_of_cases(*tests)


def test_records_stand_in_the_order_of_the_cases_with_tokens_and_latency(tiny: Weights, rows: Path) -> None:
    spec = spec_for(tiny, rows)
    result = run(spec)
    cases = read_cases(spec.cases_files)
    found = records(spec)
    assert [record.case_id for record in found] == [case.id for case in cases]
    assert all(record.usage.prompt_tokens > 20 and record.latency_s > 0 for record in found)
    assert {record.latency_kind for record in found} == {"batch_share"}
    assert all(record.first_token_s and 0 < record.first_token_s < record.latency_s for record in found)
    assert sum(record.latency_s for record in found) <= result.seconds
    assert result.completion_tokens == sum(record.usage.completion_tokens for record in found)


def test_an_answer_costs_its_share_of_the_cards_time_and_nothing_where_there_is_no_card(
    tiny: Weights, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_for(tiny, rows, gpu_hour=3600.0)
    run(spec)
    assert {record.cost for record in records(spec)} == {None}
    monkeypatch.setattr("swap_assets.backends.engines.transformers.device_name", lambda: "cuda")
    on_a_card = spec.model_copy(update={"output": rows / "card.jsonl"})
    result = run(on_a_card)
    assert all(record.cost == pytest.approx(record.latency_s, abs=1e-5) for record in records(on_a_card))
    assert 0 < sum(record.cost or 0 for record in records(on_a_card)) <= result.seconds
    assert result.seconds < result.total_seconds, "loading the model is no answering"
    assert result.rows_per_second == pytest.approx(12 / result.seconds, rel=0.01)
    free = spec.model_copy(update={"output": rows / "free.jsonl", "gpu_hour": None})
    run(free)
    assert {record.cost for record in records(free)} == {None}


def test_a_resumed_job_asks_only_what_is_missing_and_ends_in_the_same_file(tiny: Weights, rows: Path) -> None:
    spec = spec_for(tiny, rows)
    run(spec)
    whole = spec.output.read_text().splitlines(keepends=True)
    spec.output.write_text("".join(whole[:7]) + whole[7][:50])
    again = run(spec)
    assert (again.asked, again.reused) == (5, 7)
    assert [record.text for record in records(spec)] == [json.loads(line)["text"] for line in whole]


def test_a_killed_process_loses_only_the_answers_under_way(tiny: Weights, rows: Path) -> None:
    spec = spec_for(tiny, rows, max_new_tokens=160, token_budget=1, threads=1)
    write_rows(spec.cases_files[0], [weather_case(f"{name} {number}") for name in CITIES for number in range(5)])
    process = subprocess.Popen(worker_command(write_spec(spec, rows / "work")), stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while len(lines_of(spec.output)) < 5 and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    kept = lines_of(spec.output)
    assert 5 <= len(kept) < 60
    again = run(spec.model_copy(update={"token_budget": 16_000}))
    assert again.reused == len(kept) and again.asked == 60 - len(kept)
    assert len(records(spec)) == 60


def lines_of(path: Path) -> list[str]:
    return [line for line in path.read_text().split("\n")[:-1] if line] if path.is_file() else []


def test_a_limit_that_would_cut_an_expected_answer_stops_before_any_model_is_loaded(
    tiny: Weights, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swap_assets.backends.engines.transformers.load_adapted", None)
    with pytest.raises(AnswerLimitError) as caught:
        run(spec_for(tiny, rows, max_new_tokens=60))
    enough = int(re.findall(r"set max_answer_tokens to (\d+)", str(caught.value))[0])
    assert "cut 12 of 12 expected answers" in str(caught.value) and "Thessaloniki" in str(caught.value)
    with pytest.raises(AnswerLimitError, match="cut 1 of 12"):
        run(spec_for(tiny, rows, max_new_tokens=enough - 1))
    tokenizer, golds = load_tokenizer(tiny), [HERMES.write(c.gold_calls) for c in cases_of(rows)]
    assert enough == max(len(tokenizer(gold)["input_ids"]) for gold in golds) + 1


def cases_of(rows: Path) -> list[EvalCase]:
    return read_rows(rows / "cases.jsonl", EvalCase)


def test_a_finished_job_loads_no_model(tiny: Weights, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_for(tiny, rows)
    run(spec)
    monkeypatch.setattr("swap_assets.backends.engines.transformers.load_adapted", None)
    assert run(spec).asked == 0


def test_other_settings_or_another_epoch_are_asked_again(tiny: Weights, rows: Path) -> None:
    run(spec_for(tiny, rows))
    assert run(spec_for(tiny, rows, epoch="2")).reused == 0
    assert run(spec_for(tiny, rows, epoch="2", max_new_tokens=97)).reused == 0


def test_an_answer_ends_before_its_stop_token(tiny: Weights) -> None:
    import torch

    tokenizer, model = load_tokenizer(tiny), load_base(tiny)
    bias = torch.zeros(model.config.vocab_size)
    bias[tokenizer.convert_tokens_to_ids("<|im_end|>")] = 1e6
    model.get_output_embeddings().register_forward_hook(lambda _module, _inputs, output: output + bias)
    [[row]] = LocalModel(model, tokenizer, max_new_tokens=9).stream(["a"])
    assert (row.text, len(row.tokens), row.stopped) == ("", 1, True)


def test_the_prompt_is_rendered_by_the_chat_template(tokenizer: Any) -> None:
    prompt = render_prompt(tokenizer, [{"role": "user", "content": "hi"}])
    assert prompt == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_a_missing_model_adapter_or_file_of_cases_is_one_sentence(tiny: Weights, rows: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="no model folder"):
        run(spec_for(tiny.model_copy(update={"source": "/nowhere/model"}), rows))
    with pytest.raises(FileNotFoundError, match="train the adapter first"):
        run(spec_for(tiny, rows, adapter=rows / "nothing"))
    with pytest.raises(RecordsError, match="cannot be read"):
        run(spec_for(tiny, rows, cases_files=[rows / "nothing.jsonl"]))


class EchoSettings(EngineSettings):
    """What an entry may say of the engine of the test below."""

    kind: str = "echo"
    letters: int = 1


class EchoEngine(LocalEngine):
    """Says the beginning of the question."""

    name = "echo"

    def answers(self, cases: Sequence[EvalCase]) -> Iterator[list[Answer]]:
        assert isinstance(self.spec.engine, EchoSettings)
        for case in cases:
            said = case.history[0].text[: self.spec.engine.letters]
            yield [self.answer(case, said, tokens=(len(self.prompts[case.id]), 1), finish="stop", seconds=1, card_s=1)]
        self.method = "by echo"


def test_a_newly_registered_engine_answers_in_the_worker_and_is_named_in_result_records_and_table(
    tiny: Weights, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINE_SETTINGS, "echo", EchoSettings)
    monkeypatch.setitem(ENGINES, "echo", EchoEngine)
    entry = SmallModel.model_validate({"path": tiny.source, "echo": {"letters": 7}})
    spec = read_spec(write_spec(spec_for(tiny, rows, engine=entry.engine), rows / "work"))
    assert isinstance(spec, GenerateSpec)
    done = perform(spec, folder=rows / "work", reporter=Reporter(write=lambda _: None))
    assert isinstance(done, GenerateResult) and (done.engine, done.method, done.asked) == ("echo", "by echo", 12)
    found = records(spec)
    assert {(one.engine, one.text, one.latency_s) for one in found} == {("echo", "weather", 1.0)}
    measured = measure(base("tiny", "s"), HERMES, cases=cases_of(rows), records=found)
    shown = evaluation_result(Evaluation(candidate=base("tiny", "s"), results={HERMES.track: measured}), run_id="")
    assert "echo" in str((shown.metadata or {})["toolcall_served"])
    # Another engine may round otherwise, so its answers are not taken for these.
    assert run(spec.model_copy(update={"engine": Transformers()})).reused == 0


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
