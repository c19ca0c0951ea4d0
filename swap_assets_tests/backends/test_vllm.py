"""Answers by a vLLM server, given or started: the prompt's own tokens go out, adapters come and go, nothing stays."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.engines import generate
from swap_assets.backends.engines.generation import read_rows
from swap_assets.backends.engines.vllm import VllmEngine
from swap_assets.backends.processes import worker
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.spec_building import generation_spec
from swap_assets.backends.processes.specs import GenerateResult, GenerateSpec, Weights
from swap_assets.backends.processes.supervision import run_workers
from swap_assets.backends.serving.servers import ServingError, room_for_rank
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.domain.experiment.engines import Transformers, VllmServer
from swap_assets.domain.experiment.entries import SmallModel
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.keys import Form, tuned
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.weights import Artefact
from swap_assets_tests.backends.test_generation import spec_for
from swap_assets_tests.backends.test_processes import wait_until_gone
from swap_assets_tests.vllm_stand_in import VllmStandIn

pytestmark = pytest.mark.slow
COMMAND = (sys.executable, "-m", "swap_assets_tests.vllm_stand_in", "serve")


@pytest.fixture(scope="module")
def adapter(tiny: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that changes what the tiny model says."""
    import torch
    from peft import LoraConfig, get_peft_model

    from swap_assets.backends.models.local_model import load_base

    torch.manual_seed(1)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    folder = tmp_path_factory.mktemp("adapters") / "random"
    get_peft_model(load_base(tiny), config).save_pretrained(str(folder))
    return folder


def run(spec: GenerateSpec) -> GenerateResult:
    return generate(spec, reporter=Reporter(write=lambda _: None))


def records(spec: GenerateSpec) -> list[PredictionRecord]:
    return read_rows(spec.output, PredictionRecord)


def served(tiny: Weights, rows: Path, server: VllmServer, name: str, **changes: Any) -> GenerateSpec:
    """A spec whose card costs 1 a second."""
    return spec_for(tiny, rows, engine=server, output=rows / name / "predictions.jsonl", gpu_hour=3600.0, **changes)


def at(stand_in: VllmStandIn, **settings: Any) -> VllmServer:
    return VllmServer(base_url=stand_in.base_url, served_name="tiny", concurrency=3, **settings)


def said(spec: GenerateSpec) -> list[tuple[str, int, int, str]]:
    return [
        (one.text, one.usage.prompt_tokens, one.usage.completion_tokens, one.finish_reason) for one in records(spec)
    ]


def test_a_given_server_says_what_the_local_model_says_with_and_without_the_adapter(
    tiny: Weights, rows: Path, adapter: Path
) -> None:
    local = {
        folder: spec_for(tiny, rows, adapter=folder, output=rows / f"local_{bool(folder)}.jsonl")
        for folder in (None, adapter)
    }
    for spec in local.values():
        run(spec)
    with VllmStandIn(tiny, base="tiny") as stand_in:
        base, tuned = (
            served(tiny, rows, at(stand_in), "base"),
            served(tiny, rows, at(stand_in), "tuned", adapter=adapter),
        )
        results = [run(base), run(tuned)]
        assert stand_in.served == ["tiny"]
    assert said(base) == said(local[None]) and said(tuned) == said(local[adapter])
    assert said(base) != said(tuned)
    assert [result.method for result in results] == ["12 rows by vLLM 0.0.0"] * 2
    names = {body["model"] for body in stand_in.asked}
    assert len(names) == 2 and results[1].artefact_hash in max(names, key=len)
    assert all(body["temperature"] == 0 and body["repetition_penalty"] == 1 for body in stand_in.asked)
    assert {record.latency_kind for record in records(base)} == {"request"}
    assert all(record.latency_s > 0 for record in records(base))
    # Requests overlap, so their times add up to more than the cards' seconds; what they cost does not.
    for result, spec in zip(results, (base, tuned), strict=True):
        assert sum(record.cost or 0 for record in records(spec)) == pytest.approx(result.seconds, rel=0.05)
        assert sum(record.latency_s for record in records(spec)) > 1.5 * result.seconds


def test_answers_that_a_server_gave_before_it_failed_are_kept_and_the_rest_is_asked_next_time(
    tiny: Weights, rows: Path, adapter: Path
) -> None:
    with VllmStandIn(tiny, base="tiny") as stand_in:
        spec = served(tiny, rows, at(stand_in), "tuned", adapter=adapter)
        stand_in.fail_after = 5
        with pytest.raises(ServingError, match=r"refused a request .*the engine is dead.*answers so far are kept"):
            run(spec)
        kept = len(records(spec))
        assert 0 < kept <= 5 and stand_in.served == ["tiny"]
        stand_in.fail_after = None
        again = run(spec)
    assert (again.reused, again.asked) == (kept, 12 - kept)


def test_what_transformers_said_is_no_answer_of_the_server(tiny: Weights, rows: Path) -> None:
    with VllmStandIn(tiny, base="tiny") as stand_in:
        spec = served(tiny, rows, at(stand_in), "base")
        run(spec.model_copy(update={"engine": Transformers()}))
        assert run(spec).reused == 0


def test_a_server_that_cannot_do_it_is_told_in_one_sentence(
    tiny: Weights, rows: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VllmStandIn(tiny, base="tiny", lora=False, key="sk-secret") as stand_in:
        open_ = served(tiny, rows, at(stand_in), "a", adapter=adapter)
        with pytest.raises(ServingError, match=r"refused the key: name the variable .* vllm\.key_env"):
            run(open_)
        keyed = open_.model_copy(update={"engine": at(stand_in, key_env="VLLM_KEY")})
        with pytest.raises(ServingError, match="needs VLLM_KEY"):
            run(keyed)
        monkeypatch.setenv("VLLM_KEY", "sk-secret")
        with pytest.raises(ServingError, match="--enable-lora --max-lora-rank 8 and VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
            run(keyed)
        other = VllmServer(base_url=stand_in.base_url, key_env="VLLM_KEY")
        with pytest.raises(ServingError, match=r"serves tiny and not .*/tiny: correct vllm\.served_name"):
            run(served(tiny, rows, other, "b"))
    nobody = VllmServer(base_url=stand_in.base_url)
    monkeypatch.setattr("swap_assets.backends.engines.vllm._RETRIES", 0)
    with pytest.raises(ServingError, match="cannot be reached: start it"):
        run(served(tiny, rows, nobody, "c"))


def test_a_started_server_serves_several_adapters_one_after_the_other_and_ends_with_the_worker(
    tiny: Weights, rows: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    server = VllmServer(command=COMMAND, ready_within_s=120, options=("--max-model-len", "4096"))
    first = served(tiny, rows, server, "first", adapter=adapter)
    second = served(tiny, rows, server, "second", adapter=adapter, epoch="2")
    lines: list[str] = []
    results = run_workers([(first, rows / "w1"), (second, rows / "w2")], on_line=lambda _, line: lines.append(line))
    assert [result.asked for result in results if result.kind == "generate"] == [12, 12]
    local = spec_for(tiny, rows, adapter=adapter)
    run(local)
    assert said(first) == said(second) == said(local)
    assert sum("starting a vLLM server" in line for line in lines) == 1
    log = (rows / "first" / "vllm.log").read_text()
    assert f"serve {tiny.source} --served-model-name base --dtype float32" in log
    assert "--max-lora-rank 8 --enable-lora --max-model-len 4096" in log
    port = log.split("--port ")[1].split()[0]
    listening = {
        line.split()[1].split(":")[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    }
    assert f"{int(port):04X}" not in listening


def test_a_server_that_does_not_come_up_shows_the_end_of_its_log(tiny: Weights, rows: Path) -> None:
    broken = VllmServer(command=(sys.executable, "-c", "raise SystemExit('no CUDA device')"))
    with pytest.raises(ServingError, match=r"ended with code 1:\nno CUDA device"):
        run(served(tiny, rows, broken, "a"))
    missing = VllmServer(command=("/nowhere/vllm", "serve"))
    with pytest.raises(ServingError, match="/nowhere/vllm cannot be started: No such file"):
        run(served(tiny, rows, missing, "b"))


def test_a_guarded_server_ends_when_whoever_started_it_is_killed() -> None:
    server = "import os,time; print(os.getpid(), flush=True); time.sleep(60)"
    code = (
        "import sys,time; from swap_assets.backends.processes.supervision import guarded;"
        "from swap_assets.backends.processes.supervision import start;"
        f"start(guarded([sys.executable, '-c', {server!r}])); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
    assert parent.stdout
    process_id = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    wait_until_gone(process_id)


def test_the_least_room_for_an_adapters_rank_is_asked_for(tmp_path: Path) -> None:
    def room(**config: Any) -> int:
        (tmp_path / "adapter_config.json").write_text(json.dumps(config))
        return room_for_rank(tmp_path)

    assert [room(r=4), room(r=16), room(r=17), room(r=8, rank_pattern={"q_proj": 40})] == [8, 16, 32, 64]
    with pytest.raises(ServingError, match="rank 512 at most"):
        room(r=513)


def test_a_started_server_holds_its_cards_and_a_given_one_none(tiny: Weights, rows: Path) -> None:
    def cards(**server: Any) -> int:
        return worker.cards_of(served(tiny, rows, VllmServer(**server), "a"))

    assert [cards(command=COMMAND), cards(command=COMMAND, cards=2), cards(base_url="http://a/v1")] == [1, 2, 0]


def test_a_merged_model_is_answered_by_a_server_only_where_one_can_be_started_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    demo = load_experiment(Path(__file__).parents[2] / "examples/demo/swap.yaml")
    tuned_ = tuned("student", "tiny", "paper")
    merged = tuned_.model_copy(update={"form": Form.MERGED})
    for server, expected in ((VllmServer(command=COMMAND), True), (VllmServer(base_url="http://a/v1"), False)):
        entry = demo.small_model("student").model_copy(update={"engine": server})
        experiment, store = demo.model_copy(update={"models": {"student": entry}}), ArtefactStore(tmp_path)
        made = Artefact("toolcall", HERMES, tmp_path)
        specs = [generation_spec(experiment, store, one, made, ())[0] for one in (tuned_, merged)]
        assert specs[0].engine == server and specs[0].adapter == tmp_path
        assert specs[1].engine == (server if expected else Transformers())
        assert (specs[1].weights.source, specs[1].adapter) == (str(tmp_path), None)


@pytest.mark.parametrize(
    ("server", "state", "told"),
    [
        ({"command": ["/nowhere/vllm", "serve"]}, "fail", "/nowhere/vllm is not there"),
        ({"command": [sys.executable]}, "ok", sys.executable),
        ({"base_url": "http://127.0.0.1:9/v1", "key_env": "NO_SUCH_KEY"}, "fail", "needs NO_SUCH_KEY"),
        ({"base_url": "http://127.0.0.1:9/v1"}, "warn", "does not answer"),
    ],
)
def test_the_preflight_looks_for_the_server(server: dict[str, Any], state: str, told: str) -> None:
    model = SmallModel.model_validate({"hub_id": "a/b", "vllm": server})
    [finding] = VllmEngine.findings("b", model.engine, {})
    assert finding.state == state and told in finding.detail
