"""Keys are planted in every variable that is read; the graph runs, and fails; then all that it wrote is searched.

The hosted model is reached over a local server that really gets its key, and that quotes it in its errors.
"""

import base64
import gzip
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from swap_assets_tests.fakes import ChatServer, completion, tiny_model
from swap_assets_tests.langfuse_server import LangfuseServer
from swap_assets_tests.secrets_search import found_in, leaks

REPOSITORY = Path(__file__).parents[2]
SECRETS = {
    name: f"sk-{hashlib.sha256(name.encode()).hexdigest()[:40]}"
    for name in (
        "AZURE_OPENAI_API_KEY", "OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "LANGFUSE_SECRET_KEY",
        "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "AZURE_CLIENT_SECRET", "SWAP_ALERT_WEBHOOK",
        "AWS_SECRET_ACCESS_KEY", "WANDB_API_KEY",
    )
}  # fmt: skip


class Hosted:
    """A hosted model that refuses everything at first, then answers and refuses a few; it quotes the key each time."""

    refuses = True

    def __call__(self, body: dict[str, Any], number: int) -> tuple[int, dict[str, str], str]:
        complaint = json.dumps({"error": {"message": f"bad key {SECRETS['AZURE_OPENAI_API_KEY']}", "code": "bad"}})
        if self.refuses:
            return 401, {}, complaint
        if number % 5 == 4:
            return 400, {}, complaint
        return 200, {}, completion("I cannot tell.")


def run(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a user would and keep what it prints beside what it writes."""
    command = [sys.executable, "-c", "from swap_assets.cli.app import main; main()", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=900)
    number = len(list(folder.glob("printed-*.txt")))
    (folder / f"printed-{number}.txt").write_bytes(done.stdout + done.stderr)
    return done


def prepare(folder: Path, *, endpoint: str) -> dict[str, str]:
    """Lay out a folder to run in, its own home and temporary folder included, and return the environment."""
    data = yaml.safe_load((REPOSITORY / "swap_assets_tests/data/experiment.yaml").read_text(encoding="utf-8"))
    data["hosted_model"] = {**data["hosted_model"], "provider": "azure", "model": "big", "concurrency": 2}
    data["models"] = {"little": data["models"]["little"]}
    data["scales"] = {"tiny": data["scales"]["tiny"]}
    (folder / "swap.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    shutil.copy(REPOSITORY / "dagster.yaml", folder)
    tiny_model(folder / "models" / "little", seed=1)
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    own = ("SWAP_", "LANGFUSE_", "DAGSTER_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {
        **kept,
        **SECRETS,
        "AZURE_OPENAI_ENDPOINT": endpoint,
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(REPOSITORY),
        "SWAP_CONFIG": str(folder / "swap.yaml"),
        "SWAP_GPU_DEVICES": "fake-0",
        "SWAP_GPU_LEASES": str(folder / "leases"),
    }


@pytest.mark.slow
@pytest.mark.lasting
@pytest.mark.end_to_end
def test_no_planted_key_is_found_in_anything_that_a_full_run_and_a_failed_one_wrote(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # A short name: Python's fork server binds a socket below TMPDIR, whose path may have 107 characters.
    tmp_path, hosted = tmp_path_factory.mktemp("s"), Hosted()
    with ChatServer(hosted) as chat, LangfuseServer() as langfuse:
        environment = prepare(tmp_path, endpoint=chat.base_url.removesuffix("/v1"))
        environment |= langfuse.environment(secret=SECRETS["LANGFUSE_SECRET_KEY"])
        failed = run(tmp_path, environment, "demo", "--config", "swap.yaml")
        assert failed.returncode == 2 and b"refused the key (401)" in failed.stdout + failed.stderr
        hosted.refuses = False
        done = run(tmp_path, environment, "demo", "--config", "swap.yaml")
        assert done.returncode == 0, done.stderr.decode()[-3000:]

    # The keys were really used, and what was said really arrived.
    assert SECRETS["AZURE_OPENAI_API_KEY"] in chat.keys
    assert f"pk-lf-test:{SECRETS['LANGFUSE_SECRET_KEY']}" in langfuse.keys
    kinds = [span["langfuse.observation.metadata.kind"] for span in langfuse.spans]
    assert kinds.count('"training"') == 3 and kinds.count('"decision"') == 3 and kinds.count('"evaluation"') >= 4
    written = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")]
    for part in ("dagster/history/runs", "mlflow.db", "reports/tiny/report.md", "spec.json", "predictions.jsonl"):
        assert any(part in path for path in written), part
    assert any(path.endswith((".err", ".out")) for path in written), "the steps' own output is kept"

    assert leaks(tmp_path, SECRETS) == {}
    assert found_in(b"".join(langfuse.bodies), SECRETS) == []
    assert found_in(json.dumps(chat.requests).encode(), SECRETS) == []


@pytest.mark.parametrize(
    "hide",
    [
        lambda secret: secret,
        lambda secret: f"Basic {base64.b64encode(b'pk:' + secret).decode()}".encode(),
        lambda secret: secret[:20] + b"...",
        lambda secret: gzip.compress(secret),
    ],
    ids=["plain", "in a header", "cut", "compressed"],
)
def test_the_search_finds_what_is_hidden(tmp_path: Path, hide: Any) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(hide(SECRETS["HF_TOKEN"].encode()))
    assert leaks(tmp_path, SECRETS) == {"deep/file": ["HF_TOKEN"]}


def test_the_search_finds_what_is_compressed_in_a_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "some.db") as database:
        database.execute("CREATE TABLE snapshots (body BLOB)")
        database.execute("INSERT INTO snapshots VALUES (?)", (zlib.compress(SECRETS["HF_TOKEN"].encode()),))
    assert leaks(tmp_path, SECRETS) == {"some.db": ["HF_TOKEN"]}
