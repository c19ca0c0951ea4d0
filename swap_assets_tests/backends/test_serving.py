"""The stand-in: a real server for a local model, asked through the real client, gone afterwards."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from swap_assets.backends.engines import generate
from swap_assets.backends.engines.generation import Answered, Job, read_cases, read_rows
from swap_assets.backends.engines.hosted import ask_hosted
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.specs import Weights
from swap_assets.backends.serving.servers import Server, ServingError, served_model
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.model import EvalCase
from swap_assets.domain.predictions import PredictionRecord
from swap_assets_tests.backends.test_generation import spec_for
from swap_assets_tests.backends.test_processes import wait_until_gone

pytestmark = pytest.mark.slow


def ask(endpoint: Server, cases: list[EvalCase], output: Path, *, limit: int) -> Answered:
    entry = HostedModel(
        key="stand-in", provider="stand-in", model="tiny", max_answer_tokens=limit, prompt_style=PromptStyle.COMPACT
    )
    return ask_hosted(
        entry, cases, Job("c", HERMES, output), cache=output.with_suffix(".sqlite3"), server=endpoint, say=print
    )


def test_the_served_model_says_what_the_local_one_says_twice_alike_and_is_gone_after_an_error(
    tiny: Weights, rows: Path
) -> None:
    spec = spec_for(tiny, rows)
    cases = read_cases(spec.cases_files)
    # The block ends by an error: the server has to be gone then too.
    with pytest.raises(InterruptedError), served_model(tiny, workdir=rows / "server") as endpoint:
        first = ask(endpoint, cases, rows / "first.jsonl", limit=spec.max_new_tokens)
        second = ask(endpoint, cases, rows / "second.jsonl", limit=spec.max_new_tokens)
        raise InterruptedError
    generate(spec, reporter=Reporter(write=lambda _: None))
    local = read_rows(spec.output, PredictionRecord)
    assert all(record.obtained for record in first.records)
    assert [record.text for record in first.records] == [record.text for record in second.records]
    assert [record.text for record in first.records] == [record.text for record in local]
    assert [record.usage for record in first.records] == [record.usage for record in local]
    wait_until_gone(endpoint.process_id)


def test_the_server_ends_when_whoever_started_it_is_killed(tiny: Weights, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from swap_assets.backends.serving.servers import *\n"
        "with served_model(Weights.model_validate_json(sys.argv[1]), workdir=Path(sys.argv[2])) as endpoint:\n"
        "    print(endpoint.process_id, flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, tiny.model_dump_json(), str(tmp_path)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert parent.stdout
    server = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_until_gone(server)


def test_a_server_that_cannot_load_says_why(tmp_path: Path) -> None:
    broken = Weights(source=str(tmp_path / "nothing"), dtype="float32")
    with pytest.raises(ServingError, match="no model folder"), served_model(broken, workdir=tmp_path / "work"):
        pass
