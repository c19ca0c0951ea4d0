"""A model process from the parent's side: its result, its error's end, and its end in every case."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from swap_assets.backends.processes.specs import GenerateSpec, MergeSpec, Weights
from swap_assets.backends.processes.supervision import WorkerError, run_workers, start, stop, worker_command
from swap_assets.backends.processes.worker import is_quantised
from swap_assets_tests.backends.test_specs import generate_spec
from swap_assets_tests.backends.test_training import spec_for


def alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{process_id}/status").read_text()


def wait_until_gone(process_id: int, *, within_s: float = 10.0) -> None:
    end = time.monotonic() + within_s
    while alive(process_id) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(process_id)


def test_a_failing_worker_shows_the_end_of_its_stderr_and_how_to_run_it_again(tmp_path: Path) -> None:
    spec = MergeSpec(candidate_id="c", weights=Weights(source="/m"), adapter=tmp_path / "none", output=tmp_path / "o")
    lines: list[tuple[str, str]] = []
    with pytest.raises(WorkerError) as caught:
        run_workers([(spec, tmp_path / "work")], on_line=lambda stream, line: lines.append((stream, line)))
    message = str(caught.value)
    assert "ended with code 1" in message and "train the adapter first" in message
    assert "swap_assets.backends.processes.worker" in message and "spec.json" in message
    assert any(stream == "stderr" and "train the adapter first" in line for stream, line in lines)


@pytest.mark.slow
def test_a_worker_run_by_hand_and_one_run_from_here_give_the_same_result(tiny: Weights, rows: Path) -> None:
    spec = generate_spec(rows).model_copy(update={"weights": tiny, "max_new_tokens": 120, "threads": 1})
    lines: list[str] = []
    (result,) = run_workers([(spec, rows / "work")], on_line=lambda _, line: lines.append(line))
    assert result.kind == "generate" and result.asked == 12
    assert "12 cases, 0 answered already" in lines
    by_hand = subprocess.run(worker_command(rows / "work" / "spec.json"), check=False, timeout=120, capture_output=True)
    assert by_hand.returncode == 0
    assert GenerateSpec.model_validate_json((rows / "work" / "spec.json").read_text()) == spec


def test_the_library_of_quantised_weights_is_loaded_for_them_alone(tmp_path: Path) -> None:
    """The recipe's bits and those that the folder has stored, each by the same question."""
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    weights = Weights(source=str(tmp_path))
    plain, quantised = (spec_for(weights, tmp_path, quantisation=bits) for bits in ("none", "nf4"))
    assert not is_quantised(plain) and is_quantised(quantised)
    answer = generate_spec(tmp_path).model_copy(update={"weights": weights})
    assert not is_quantised(answer)
    (tmp_path / "config.json").write_text('{"quantization_config": {"quant_method": "bitsandbytes"}}')
    assert is_quantised(answer)


def test_the_worker_says_how_it_is_used() -> None:
    from swap_assets.backends.processes.worker import main

    assert main([]) == 2


def test_a_missing_spec_ends_with_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(worker_command(tmp_path / "no.json"), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("SpecError: the spec ")


def test_stopping_ends_the_whole_group_even_if_it_does_not_listen() -> None:
    grandchild = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    code = (
        "import signal,subprocess,sys,time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"print(subprocess.Popen([sys.executable,'-c',{grandchild!r}]).pid, flush=True); time.sleep(60)"
    )
    child = start([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout
    inner = int(child.stdout.readline())
    time.sleep(0.3)
    stop(child, grace_s=0.2)
    assert child.returncode == -signal.SIGKILL
    wait_until_gone(inner)


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys,time; from swap_assets.backends.processes.supervision import start;"
        "inner='import os,time; from swap_assets.backends.processes.supervision import *;"
        "die_with_parent(int(os.environ[PARENT_VARIABLE])); time.sleep(60)';"
        "print(start([sys.executable,'-c',inner]).pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout
    inner = int(parent.stdout.readline())
    time.sleep(1.0)
    assert alive(inner)
    parent.kill()
    parent.wait()
    wait_until_gone(inner)
