"""Web server and daemon as a child: nothing of them outlives their parent; another program's port is not theirs."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from swap_assets.cli import environment as service
from swap_assets.cli.environment import is_free
from swap_assets_tests.conftest import EXPERIMENT

REPOSITORY = Path(__file__).parents[2]
MODULE = "swap_assets_tests.end_to_end.quick_definitions"
PARENT = f"""
import os, pathlib, sys, time
from swap_assets.cli.environment import dagster_service
with dagster_service(dict(os.environ), log=pathlib.Path("dagster.log"), module="{MODULE}") as service:
    print(service.pid, service.address, flush=True)
    time.sleep(300)
"""


@pytest.fixture
def environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dagster.yaml").write_bytes((REPOSITORY / "dagster.yaml").read_bytes())
    here = {"SWAP_CONFIG": str(EXPERIMENT), "DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    return {**os.environ, **here}


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_however_the_parent_ends(environment, sign):
    parent = subprocess.Popen([sys.executable, "-c", PARENT], env=environment, stdout=subprocess.PIPE, text=True)
    session, address = parent.stdout.readline().split()
    port = int(address.rpartition(":")[2])
    assert len(service.session_members(int(session))) >= 4 and not is_free(port)
    os.kill(parent.pid, sign)
    parent.wait(timeout=60)
    deadline = time.monotonic() + 60
    while service.session_members(int(session)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert service.session_members(int(session)) == []
    assert is_free(port)


def _program(tmp_path, monkeypatch, body: str) -> None:
    """Put a program of our own in the place of Dagster's command."""
    path = tmp_path / "stand-in"
    path.write_text(f"#!{sys.executable}\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setattr(service, "GUARDED", [str(path)])


def test_a_port_that_another_program_took_is_not_mistaken_for_dagsters(tmp_path, monkeypatch):
    _program(
        tmp_path, monkeypatch, "import time\nprint('[Errno 98] address already in use', flush=True)\ntime.sleep(60)"
    )
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setattr(service, "free_port", lambda: port)
        told = pytest.raises(service.ServiceError, match=f"port {port} was taken by another program")
        with told, service.dagster_service(dict(os.environ), log=tmp_path / "log"):
            raise AssertionError("the other program answered in Dagster's place")
        assert not is_free(port)
    assert is_free(port)


def test_dagster_that_ends_at_once_is_told_at_once(tmp_path, monkeypatch):
    _program(tmp_path, monkeypatch, "raise SystemExit('no such module')")
    began = time.monotonic()
    told = pytest.raises(service.ServiceError, match="ended before its web server answered")
    with told, service.dagster_service(dict(os.environ), log=tmp_path / "log"):
        raise AssertionError("nothing answers")
    assert time.monotonic() - began < 20
