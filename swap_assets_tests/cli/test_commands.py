"""The commands around Dagster: what they print, and how they end when something is wrong."""

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from swap_assets.cli.app import app
from swap_assets.cli.demo import refuse_beside_another, segments
from swap_assets.cli.materialize import Segment, SegmentError, _Steps, options_of, run_segment
from swap_assets.cli.report import print_decisions, print_report
from swap_assets.definitions import defs
from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.keys import ROOT_ASSETS
from swap_assets.domain.report.comparison import build_report
from swap_assets.domain.report.inputs import ReportInputs
from swap_assets_tests.conftest import EXPERIMENT
from swap_assets_tests.domain.evaluations import LLM, SLM, evaluation, shares

REPOSITORY = Path(__file__).parents[2]


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_plan_prints_calls_tokens_cost_and_trainings_before_anything_starts():
    done = run("plan", "--config", str(REPOSITORY / "swap.yaml"))
    assert done.exit_code == 0
    for words in ("beside gpt-4o", "LLM calls", "USD", "phi-4-mini", "llama-3.1-8b", "GPU time in all"):
        assert words in done.output


def test_plan_says_how_many_different_requests_the_training_rows_have(tmp_path, experiment_data):
    import yaml

    (tmp_path / "swap.yaml").write_text(yaml.safe_dump(experiment_data), encoding="utf-8")
    done = run("plan", "--config", str(tmp_path / "swap.yaml"))
    train = experiment_data["scales"]["tiny"]["train"]
    (different,) = re.findall(rf"tiny: {train} train \(of (\d+) different requests\)", done.output)
    assert 0 < int(different) <= train


def test_plan_refuses_sizes_that_the_rows_cannot_fill(tmp_path, experiment_data):
    import yaml

    experiment_data["scales"]["small"]["train"] = 5000
    path = tmp_path / "swap.yaml"
    path.write_text(yaml.safe_dump(experiment_data))
    done = run("plan", "--config", str(path))
    assert done.exit_code == 2
    assert "of 5000 for train; lower the sizes of train" in done.output


@pytest.mark.parametrize("command", ["plan", "doctor", "demo"])
def test_a_file_that_is_not_there_ends_a_command_with_one_sentence(command, tmp_path):
    done = run(command, "--config", str(tmp_path / "nowhere.yaml"))
    assert done.exit_code == 2
    assert "cannot read the experiment file" in done.output
    assert "Traceback" not in done.output


def test_doctor_says_what_is_missing_and_exits_with_one(monkeypatch):
    for name in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    done = run("doctor", "--config", str(REPOSITORY / "swap.yaml"))
    assert done.exit_code == 1
    flat = " ".join(done.output.split())
    assert "needs AZURE_OPENAI_API_KEY and AZURE_OPENAI_ENDPOINT" in flat
    assert "is gated" in flat


def _assets_of_the_demo(experiment_data):
    return {
        *ROOT_ASSETS,
        *(
            name
            for together in segments(parse_experiment(experiment_data), "tiny")
            for segment in together
            for name in segment.assets
        ),
    }


def test_the_demos_segments_hold_every_asset_but_those_of_the_release(experiment_data):
    """The constrained evaluations are in it exactly where a model's entry asks for that way of decoding."""
    constrained = {"paper_constrained_evaluation", "fledgling_constrained_evaluation"}
    listed = _assets_of_the_demo(experiment_data)
    everything = {node.key.path[-1] for node in defs.resolve_asset_graph().asset_nodes}
    release = {"sealed_llm_evaluation", "release_decision", "release_approval", "merged_model", "published_model"}
    assert everything - listed == release | {"repeated_llm_evaluation", "drift_check"} | constrained
    experiment_data["models"]["little"]["decoding"] = ["greedy", "constrained"]
    assert _assets_of_the_demo(experiment_data) == listed | constrained


def test_a_segments_partition_and_run_config_are_options_of_its_command():
    assert options_of(Segment("x", ("hermes_conversations",))) == []
    override = Segment("x", ("merged_model",), "a|b", {"ops": {}})
    assert options_of(override) == ["--partition", "a|b", "--config-json", '{"ops": {}}']


@pytest.mark.slow
def test_a_segment_that_fails_says_why_in_one_sentence(tmp_path, monkeypatch):
    from swap_assets.cli.environment import dagster_environment

    monkeypatch.chdir(tmp_path)
    (tmp_path / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text())
    segment = Segment("The report", ("dataset_split",), "tiny")
    console = Console(record=True, width=500)
    with pytest.raises(SegmentError) as failure:
        run_segment(segment, environment=dagster_environment(), log=tmp_path / "log", console=console)
    command = f"swap-assets materialize --config {EXPERIMENT} hermes_conversations"
    assert f"hermes_conversations has no value yet; materialise it first: {command}" in str(failure.value)
    assert f"$ swap-assets materialize --config {EXPERIMENT} dataset_split --partition tiny" in console.export_text()


@pytest.mark.slow
@pytest.mark.parametrize("always", [False, True])
def test_a_segment_whose_step_is_killed_is_tried_once_more(tmp_path, monkeypatch, always):
    (tmp_path / "killed_once.py").write_text(
        "import os, pathlib, dagster as dg\n"
        "@dg.asset\n"
        "def frail():\n"
        "    mark = pathlib.Path('mark')\n"
        f"    if {always} or not mark.exists():\n"
        "        mark.touch()\n"
        "        os.kill(os.getpid(), 9)\n"
        "defs = dg.Definitions(assets=[frail])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("swap_assets.cli.materialize.MODULE", "killed_once")
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    console, log = Console(record=True, width=200), tmp_path / "frail.log"
    outcome = pytest.raises(SegmentError, match="killed or crashed") if always else contextlib.nullcontext()
    with outcome:
        run_segment(Segment("Frail", ("frail",)), environment=environment, log=log, console=console)
    assert "once more" in console.export_text() and log.with_suffix(".crashed.log").exists()


def test_a_step_that_tries_again_says_so_and_why():
    console = Console(record=True, width=200)
    _Steps(console, "").show("12:00 - dagster - WARNING - job - 1 - rows - rows tries again in 30 s: no hub [x]\n")
    assert "rows tries again in 30 s: no hub [x]" in console.export_text()


def test_who_holds_a_place_is_told_where_it_is_another_command_and_not_one_of_our_own_steps():
    line = "12:00 - dagster - INFO - job - 1 - first waits: pool is held by second (process {}; to stop it: x)"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as ours:
        for process, shown in ((ours.pid, False), (os.getppid(), True)):
            console = Console(record=True, width=200)
            _Steps(console, "").show(line.format(process) + "\n")
            assert ("first waits: pool is held" in console.export_text()) is shown
        ours.communicate(b"\n")


def test_records_lie_in_the_experiments_folder_by_the_settings_of_this_folder_or_the_packages(tmp_path, monkeypatch):
    from swap_assets.cli.environment import dagster_environment

    monkeypatch.chdir(tmp_path)
    home = Path(dagster_environment()["DAGSTER_HOME"])
    assert home == tmp_path / "state" / "dagster"
    assert (home / "dagster.yaml").read_bytes() == (REPOSITORY / "dagster.yaml").read_bytes()
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    assert dagster_environment()["DAGSTER_HOME"] == str(home)
    assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"


@pytest.mark.parametrize(
    ("models", "said", "slots"),
    [("hub", {}, 1), ("hub", {"model_processes": 3}, 3), ("miniature", {"threads": 10_000}, 1),
     ("miniature", {"model_processes": 2, "threads": 10_000}, 2)],
)  # fmt: skip
def test_the_experiment_says_how_many_model_processes_work_at_once(
    tmp_path, monkeypatch, experiment_data, models, said, slots
):
    import dagster as dg
    import yaml

    from swap_assets.cli.environment import dagster_environment

    monkeypatch.chdir(tmp_path)
    entry = {"hub_id": "a/b"} if models == "hub" else {"miniature": "student"}
    changed = experiment_data | {"models": {"m": entry}, "threads": 1} | said
    (tmp_path / "swap.yaml").write_text(yaml.safe_dump(changed))
    home = dagster_environment(tmp_path / "swap.yaml")["DAGSTER_HOME"]
    with dg.DagsterInstance.from_config(home) as instance:
        assert instance.event_log_storage.get_concurrency_info("model_process").slot_count == slots


def test_new_lays_down_the_repositorys_own_files_and_replaces_none(tmp_path):
    assert run("new", str(tmp_path / "agent")).exit_code == 0
    for name in ("swap.yaml", "workspace.yaml", "dagster.yaml", ".env.example"):
        assert (tmp_path / "agent" / name).read_bytes() == (REPOSITORY / name).read_bytes()
    (tmp_path / "agent" / "swap.yaml").write_text("mine")
    again = run("new", str(tmp_path / "agent"))
    assert again.exit_code == 2 and "swap.yaml" in again.output
    assert (tmp_path / "agent" / "swap.yaml").read_text() == "mine"


def test_the_automatic_demo_refuses_an_experiment_whose_sensors_are_stopped():
    done = run("demo", "--auto", "--config", str(REPOSITORY / "examples" / "demo" / "swap.yaml"))
    assert done.exit_code == 2
    assert "keeps its sensors stopped" in done.output


def test_the_tables_show_candidates_and_decisions():
    llm, slm = evaluation(LLM, shares(80, 100)), evaluation(SLM, shares(10, 100))
    decision = fine_tune(slm, llm, GatePolicy())
    report = build_report(
        ReportInputs(
            experiment="x", scale="small", evaluations=[llm, slm], llm_id=LLM.id, notices=["[bold]n[/]"],
            decisions=[decision],
        )
    )  # fmt: skip
    console = Console(width=200, record=True)
    print_report(report, console)
    print_decisions([decision], console)
    text = console.export_text()
    assert "gpt (hosted LLM)" in text
    assert "phi (untouched)" in text
    assert "+70.0" in text
    assert "[bold]n[/]" in text  # foreign text stays text
    assert "fine_tune_decision (phi at small): fail → train" in text


def test_the_automatic_demo_does_not_start_beside_one_that_still_runs(tmp_path):
    """It would delete the folder that the other one's daemon works in."""
    (tmp_path / "logs").mkdir()
    other = subprocess.Popen(["bash", "-c", "exec -a dagster-stand-in sleep 60"])
    try:
        (tmp_path / "logs" / "dagster.pid").write_text(str(other.pid))
        while b"dagster" not in Path(f"/proc/{other.pid}/cmdline").read_bytes():  # bash has not become it yet
            time.sleep(0.01)
        with pytest.raises(typer.Exit):
            refuse_beside_another(tmp_path)
    finally:
        other.kill()
        other.wait()
    refuse_beside_another(tmp_path)
