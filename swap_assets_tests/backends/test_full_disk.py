"""A disk that is full in the middle, a real one of few kilobytes: the user sees why, and no half is taken for whole."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from swap_assets.backends.engines.generation import RecordFile, read_rows
from swap_assets.backends.hosted.cache import AnswerCache, CacheError
from swap_assets.backends.hosted.clients import HostedError
from swap_assets.backends.processes.specs import Tracking, Weights
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.whole import full_disk, whole_folder
from swap_assets.backends.tracking.mlflow_runs import tracked_run
from swap_assets.domain.model import Conversation
from swap_assets.domain.predictions import PredictionRecord
from swap_assets_tests.backends.test_damage import conversations
from swap_assets_tests.backends.test_hosted_money import ask, spent
from swap_assets_tests.backends.test_training import spec_for
from swap_assets_tests.fakes import ChatServer, completion, write_track

REPOSITORY = Path(__file__).parents[2]


class Disk:
    """A file system in memory, which `fill` leaves so many kilobytes of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, left_kb: int = 0) -> None:
        free = os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize
        (self.folder / "ballast").write_bytes(b"\0" * max(0, free - 1024 * left_kb))

    def make_room(self) -> None:
        (self.folder / "ballast").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a file system can be mounted by root alone")
    yield Disk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_value_that_does_not_fit_leaves_the_one_before_and_no_litter(disk: Disk) -> None:
    store = ArtefactStore(disk.folder)
    path = store.write("hermes_conversations", None, conversations(3), kind=list[Conversation])
    disk.fill()
    before = sorted(disk.folder.rglob("*"))
    with pytest.raises(OSError, match="No space left") as caught:
        store.write("hermes_conversations", None, conversations(4000), kind=list[Conversation])
    assert f"no space is left on the disk of {disk.folder}: make room" in full_disk(caught.value, disk.folder)
    assert sorted(disk.folder.rglob("*")) == before
    disk.make_room()
    assert store.read("hermes_conversations", None, list[Conversation]) == conversations(3) and path.exists()


def test_a_folder_that_does_not_fit_leaves_the_one_before(disk: Disk) -> None:
    final = disk.folder / "adapter"
    with whole_folder(final) as folder:
        (folder / "weights").write_bytes(b"old")
    disk.fill(left_kb=16)
    with pytest.raises(OSError, match="No space left"), whole_folder(final) as folder:
        (folder / "weights").write_bytes(b"n" * 100_000)
    assert (final / "weights").read_bytes() == b"old"
    assert sorted(path.name for path in disk.folder.iterdir()) == ["adapter", "ballast"]


def test_hosted_answers_stop_with_the_cause_and_go_on_when_there_is_room(disk: Disk) -> None:
    text = "No call is needed, for many reasons. " * 100
    with ChatServer(lambda *_: (200, {}, completion(text))) as server:
        with AnswerCache(disk.folder / "answers.sqlite3"):
            disk.fill(left_kb=120)
        with pytest.raises((HostedError, OSError)) as caught:
            ask(server, disk.folder, 60)
        told = str(caught.value) if isinstance(caught.value, HostedError) else full_disk(caught.value, disk.folder)
        assert "no space is left on the disk of" in told and "move" not in told and "\n" not in told
        asked = len(server.requests)
        assert asked < 40  # nobody goes on asking for what cannot be kept
        disk.make_room()
        answers = ask(server, disk.folder, 60)
    assert len(answers.records) == 60 and {record.text for record in answers.records} == {text}
    assert len(server.requests) - 60 <= 4 + 1  # those under way
    assert spent(disk.folder).tokens == 60 * 15


def test_the_cache_cannot_be_opened_on_a_full_disk_and_says_so(disk: Disk) -> None:
    disk.fill()
    with (
        pytest.raises(CacheError, match="no space is left on the disk of") as caught,
        AnswerCache(disk.folder / "a.db"),
    ):
        pass
    assert "move" not in str(caught.value)


def test_records_that_are_half_written_are_asked_again(disk: Disk) -> None:
    with ChatServer(lambda *_: (200, {}, completion("No."))) as server:
        (record, *_) = ask(server, disk.folder, 3).records
    path = disk.folder / "some.jsonl"
    file = RecordFile(path, {record.case_id: record.request_hash}, candidate_id="c")
    disk.fill(left_kb=4)
    with pytest.raises(OSError, match="No space left"):
        file.append([record.model_copy(update={"text": f"{number} " * 3000}) for number in range(9)])
    disk.make_room()
    again = RecordFile(path, {record.case_id: record.request_hash}, candidate_id="c")
    assert all(kept.text.split()[0] == kept.text.split()[-1] for kept in again.finish())
    assert again.unread <= 1 and (not path.stat().st_size or read_rows(path, PredictionRecord))


def test_bookkeeping_on_a_full_disk_does_not_hide_what_failed(disk: Disk) -> None:
    tracking = Tracking(uri=f"sqlite:///{disk.folder / 'mlflow.db'}", experiment="x", run_name="y")
    with pytest.raises(ValueError, match="the cause"), tracked_run(tracking, params={}, tags={}):
        disk.fill()
        raise ValueError("the cause")


@pytest.mark.slow
def test_a_training_whose_disk_is_full_ends_with_that_sentence(disk: Disk, tiny: Weights, tmp_path: Path) -> None:
    write_track(tmp_path, [f"City {number}" for number in range(6)])
    tracking = Tracking(uri=f"sqlite:///{disk.folder / 'mlflow.db'}", experiment="x", run_name="y")
    changes = {"output": disk.folder / "work" / "adapter", "tracking": tracking}
    spec = spec_for(tiny, tmp_path, epochs=2, checkpoint_minutes=0).model_copy(update=changes)
    (disk.folder / "work").mkdir()
    path = disk.folder / "work" / "spec.json"
    path.write_text(spec.model_dump_json())
    command = [sys.executable, "-m", "swap_assets.backends.processes.worker", str(path)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    with tracked_run(tracking, params={}, tags={}):
        disk.fill(left_kb=48)  # MLflow's tables are there
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert "no space is left on the disk of" in last or ("cannot be written to" in last and "make room" in last), last
    assert not (disk.folder / "work" / "adapter").exists()
    disk.make_room()
    assert subprocess.run(command, env=environment, capture_output=True, timeout=300).returncode == 0


@pytest.mark.slow
def test_a_step_whose_disk_is_full_is_told_by_the_command_line(disk: Disk, tmp_path: Path) -> None:
    data = yaml.safe_load((REPOSITORY / "swap_assets_tests" / "data" / "experiment.yaml").read_text(encoding="utf-8"))
    config = tmp_path / "swap.yaml"
    config.write_text(yaml.safe_dump(data | {"storage": str(disk.folder / "state")}), encoding="utf-8")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    command = [str(Path(sys.executable).with_name("swap-assets")), "materialize", "hermes_conversations"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SWAP_", "DAGSTER_"))}
    how = {"env": clean | {"PYTHONPATH": str(REPOSITORY)}, "cwd": tmp_path, "capture_output": True, "text": True}
    assert subprocess.run(command, **how, timeout=300).returncode == 0
    values = {path: path.read_bytes() for path in (disk.folder / "state" / "assets").rglob("*.parquet")}
    disk.fill()
    done = subprocess.run(command, **how, timeout=300)
    said = " ".join(f"{done.stdout}{done.stderr}".split())
    assert done.returncode == 2 and "no space is left on the disk of" in said and "Traceback" not in said, said
    assert values and {path: path.read_bytes() for path in values} == values


def test_a_full_disk_is_told_from_other_errors() -> None:
    inner = RuntimeError("(sqlite3.OperationalError) database or disk is full")
    outer = ValueError("MLflow failed")
    outer.__cause__ = inner
    assert "make room" in full_disk(outer, Path("/data")) and "/data" in full_disk(outer, Path("/data"))
    assert "/elsewhere" in full_disk(OSError(errno.ENOSPC, "No space left", "/elsewhere/file"), Path("/data"))
    assert not full_disk(OSError(errno.EACCES, "Permission denied"), Path("/data"))
