"""What the machine has, and how nvidia-smi's lines are read."""

import sys
from pathlib import Path

from swap_assets.backends.models.provenance import files_hash, git_commit, versions, weights_hash
from swap_assets.backends.processes.hardware import hardware, parse_gpus


def test_the_machine_has_a_processor_memory_and_disk(tmp_path: Path) -> None:
    found = hardware(tmp_path / "not" / "there" / "yet")
    assert found.cpus >= 1 and found.system
    assert found.disk_free_gib is not None and found.disk_free_gib >= 0


def test_cards_are_read_with_their_memory_and_odd_lines_are_left_out() -> None:
    text = "0, NVIDIA H100 80GB HBM3, 81559, 550.90, GPU-5a1b\n1, Odd, [N/A], 550.90, GPU-6\nno line at all\n"
    cards = parse_gpus(text)
    assert [(card.index, card.name, card.memory_gib) for card in cards] == [(0, "NVIDIA H100 80GB HBM3", 79.6)]
    assert cards[0].cuda_name == "GPU-5a1b"


def test_looking_at_the_machine_loads_no_heavy_library() -> None:
    import subprocess

    code = "import sys, swap_assets.backends.processes.hardware as h; h.hardware(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_weights_are_named_by_their_bytes_and_hub_models_by_id_and_revision(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder in ("a", "b"):
        (tmp_path / folder / "model.safetensors").write_bytes(b"same")
    assert weights_hash(str(tmp_path / "a")) == weights_hash(str(tmp_path / "b"))
    (tmp_path / "b" / "model.safetensors").write_bytes(b"other")
    assert weights_hash(str(tmp_path / "a")) != weights_hash(str(tmp_path / "b"))
    assert weights_hash("meta/x", "1") != weights_hash("meta/x", "2")


def test_files_hash_alike_in_any_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_text(path.name)
    assert files_hash(paths) == files_hash(reversed(paths))


def test_versions_and_commit_are_known(monkeypatch) -> None:
    assert {"torch", "peft"} <= set(versions())
    monkeypatch.setenv("SWAP_GIT_COMMIT", "abc")
    assert git_commit() == "abc"
