"""The agent's own system text, with the date that was logged, reaches everybody who is asked, trained or served."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from swap_assets.backends.engines.generation import Job, write_rows
from swap_assets.backends.engines.hosted import ask_hosted
from swap_assets.backends.engines.transformers import TransformersEngine
from swap_assets.backends.engines.vllm import VllmEngine
from swap_assets.backends.methods.data import rendered, tokenise
from swap_assets.backends.processes.spec_building import generation_spec, training_spec
from swap_assets.backends.processes.specs import Weights
from swap_assets.backends.store.artefacts import ArtefactStore, read_rows
from swap_assets.backends.store.artefacts import write_rows as store_rows
from swap_assets.domain.experiment.engines import VllmServer
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.formats.base import AnswerFormat, Interface, PromptStyle
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.openai import OPENAI
from swap_assets.domain.formats.prompts import prompt_hash, render_messages
from swap_assets.domain.keys import base, tuned
from swap_assets.domain.model import Conversation, EvalCase, content_hash
from swap_assets.domain.reading.parsing import parse_row
from swap_assets.domain.splits.capabilities import eval_cases
from swap_assets.domain.tracks import TrainingExample, structured_track, toolcall_track
from swap_assets.domain.weights import Artefact
from swap_assets_tests.backends.test_generation import spec_for
from swap_assets_tests.domain.data_rows import CALL_SYSTEM, hermes_row
from swap_assets_tests.fakes import ChatServer, completion, weather_case, weather_example
from swap_assets_tests.vllm_stand_in import VllmStandIn

DATE = "2024-05-17"
SYSTEM = f"You are the travel desk's assistant. Today is {DATE}."
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
LOG = {
    "messages": [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "What will the weather be tomorrow?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
    ],
    "tools": [TOOL],
}


@pytest.fixture
def conversation() -> Conversation:
    found = parse_row(LOG, source="log")
    assert isinstance(found, Conversation)
    return found


@pytest.fixture
def case(conversation: Conversation) -> EvalCase:
    return eval_cases(conversation)[0]


@pytest.mark.parametrize(
    ("interface", "answer_format"),
    [(Interface.TEXT, HERMES), (Interface.NATIVE, OPENAI), (Interface.NATIVE, FLEDGLING_STRUCTURED)],
)
def test_the_hosted_model_is_told_the_date(
    interface: Interface, answer_format: AnswerFormat, case: EvalCase, tmp_path: Path
) -> None:
    with ChatServer(lambda _request, _number: (200, {}, completion("none"))) as server:
        model = HostedModel(key="big", provider="openai", base_url=server.base_url, model="big-2")
        job = Job("c", answer_format, tmp_path / "records.jsonl")
        ask_hosted(model, [case], job, cache=tmp_path / "answers", interface=interface, say=lambda _: None)
    (request,) = server.requests
    assert request["messages"][0]["role"] == "system" and request["messages"][0]["content"].startswith(SYSTEM)


def test_the_small_model_is_told_the_date(case: EvalCase, tiny: Weights, tmp_path: Path) -> None:
    engine = TransformersEngine(spec_for(tiny, tmp_path), lambda _: None)
    engine.request_hashes([case])
    assert DATE in engine.prompts[case.id]


def test_a_training_row_holds_the_date_and_is_not_trained_on_it(conversation: Conversation, tokenizer: Any) -> None:
    examples = [*toolcall_track([conversation], HERMES), *structured_track([conversation])]
    for example in examples:
        [row], _ = tokenise(tokenizer, rendered([example], example.answer_format, PromptStyle.HERMES), max_length=4000)
        assert DATE in tokenizer.decode(row.input_ids)
        assert DATE not in tokenizer.decode([label for label in row.labels if label >= 0])


@pytest.mark.slow
def test_a_served_request_holds_the_date(case: EvalCase, tiny: Weights, tmp_path: Path, tokenizer: Any) -> None:
    write_rows(tmp_path / "cases.jsonl", [case])
    with VllmStandIn(tiny, base="tiny") as stand_in:
        server = VllmServer(base_url=stand_in.base_url, served_name="tiny")
        engine = VllmEngine(spec_for(tiny, tmp_path, engine=server, max_new_tokens=80), lambda _: None)
        engine.request_hashes([case])
        list(engine.answers([case]))
    assert DATE in tokenizer.decode(stand_in.asked[0]["prompt"])


def test_stored_cases_keep_it_and_those_without_one_are_what_they_were(case: EvalCase, tmp_path: Path) -> None:
    plain = weather_case("Oslo")
    store_rows(tmp_path / "cases.parquet", [case, plain], EvalCase)
    assert read_rows(tmp_path / "cases.parquet", EvalCase) == [case, plain]
    before = pq.read_table(tmp_path / "cases.parquet").drop(["system"])  # as it was stored before there was one
    pq.write_table(before, tmp_path / "before.parquet", store_schema=False)
    assert read_rows(tmp_path / "before.parquet", EvalCase)[1] == plain
    assert "system" not in plain.model_dump() and "system" not in weather_example("Oslo").model_dump()
    told = weather_example("Oslo").model_copy(update={"system": SYSTEM})
    assert content_hash(told) != content_hash(weather_example("Oslo"))
    assert TrainingExample.model_validate_json(told.model_dump_json()) == told


def test_a_hermes_row_keeps_what_its_prompt_says_beside_the_datasets_own_words() -> None:
    prompt = CALL_SYSTEM.format(tools=json.dumps([TOOL]))
    for system, own in ((prompt, ""), (f"{SYSTEM}\n{prompt}\nAnswer in French.", f"{SYSTEM}\n\nAnswer in French.")):
        found = parse_row(hermes_row("Hello", system=system), source="x")
        assert isinstance(found, Conversation) and found.system == own


@pytest.mark.parametrize(("wish", "told"), [("keep", SYSTEM), ("drop", ""), ("Be brief.", "Be brief.")])
def test_the_experiment_says_what_small_models_are_told(
    wish: str, told: str, case: EvalCase, experiment_data: dict[str, Any], tiny: Weights, tmp_path: Path
) -> None:
    experiment = parse_experiment({**experiment_data, "prompt": {"system": wish}})
    model, scale = next(iter(experiment.models)), next(iter(experiment.scales))
    approach, store = experiment.approach_names[0], ArtefactStore(tmp_path)
    adapter = next(iter(experiment.approaches[approach].adapters))
    trained, _ = training_spec(experiment, store, tuned(model, scale, approach), adapter, "toolcall_track")
    asked, _ = generation_spec(experiment, store, base(model, scale), Artefact("base", HERMES, None), ())
    assert (trained.system, asked.system) == (wish, wish)
    engine = TransformersEngine(spec_for(tiny, tmp_path, system=wish), lambda _: None)
    engine.request_hashes([case])
    assert engine.prompts[case.id].startswith(f"<|im_start|>system\n{told or 'weather'}")
    hashes = {prompt_hash(HERMES, PromptStyle.HERMES, system=each) for each in ("keep", "drop", "Be brief.")}
    assert len(hashes) == 3


def test_a_format_that_orders_the_system_message_otherwise_has_another_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = prompt_hash(HERMES, PromptStyle.HERMES)

    def after_the_tools(_: AnswerFormat, system: str, tools: str, style: PromptStyle) -> str:
        return f"{tools}\n{HERMES.instructions[style]}" + f"\n\n{system}" * bool(system)

    monkeypatch.setattr(type(HERMES), "system_message", after_the_tools)
    assert render_messages((), (), answer_format=HERMES, style=PromptStyle.HERMES, system="s")[0]["content"][-1] == "s"
    assert prompt_hash(HERMES, PromptStyle.HERMES) != before
