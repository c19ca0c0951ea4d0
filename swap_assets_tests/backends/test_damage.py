"""Damage is seen: whatever byte of a stored file changes, nobody reads other figures out of it without a word."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from swap_assets.backends.store.artefacts import ArtefactMissingError, ArtefactStore, read_rows, record_path, write_rows
from swap_assets.backends.store.whole import DamagedError, UnreadableError, seal, unsealed
from swap_assets.domain.model import Conversation, EvalCase, Provenance, Turn
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets_tests.domain.evaluations import LLM, evaluation, shares

FLIPS = 300


def conversations(count: int = 40) -> list[Conversation]:
    said = Provenance(source="log", origin="real")
    return [
        Conversation(id=f"c{number}", turns=(Turn(role="user", text=f"What is {number} times 7?"),), provenance=said)
        for number in range(count)
    ]


def flipped(raw: bytes, draw: random.Random) -> bytes:
    bit = draw.randrange(8 * len(raw))
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def silent_changes(path: Path, read: Callable[[], object]) -> int:
    """Return after how many single flipped bits a file is read as something else than what was written."""
    whole, before, draw, wrong = path.read_bytes(), read(), random.Random(path.name), 0
    for _ in range(FLIPS):
        path.write_bytes(flipped(whole, draw))
        try:
            wrong += read() != before
        except UnreadableError as error:
            told = str(error)
            assert str(path) in told and "\n" not in told and "make it again: swap-assets materialize" in told
    path.write_bytes(whole)
    return wrong


def test_no_flipped_bit_of_parquet_reads_back_as_other_rows(tmp_path):
    path = write_rows(tmp_path / "hermes_conversations" / "all.parquet", conversations(), Conversation)
    assert silent_changes(path, lambda: read_rows(path, Conversation)) == 0


def test_no_flipped_bit_of_a_value_reads_back_as_other_figures(tmp_path):
    store = ArtefactStore(tmp_path)
    path = store.write("llm_baseline", "tiny", evaluation(LLM, shares(80, 100)), kind=Evaluation)
    assert silent_changes(path, lambda: store.read("llm_baseline", "tiny", Evaluation)) == 0
    read = lambda: store.evaluation_records("llm_baseline", ["tiny"])  # noqa: E731
    assert silent_changes(path, read) == 0


def test_a_damaged_record_is_left_aside_for_the_value_that_it_describes(tmp_path):
    store = ArtefactStore(tmp_path)
    path = record_path(store.write("llm_baseline", "tiny", evaluation(LLM, shares(80, 100)), kind=Evaluation))
    whole, before, draw = path.read_bytes(), store.evaluation_records("llm_baseline", ["tiny"]), random.Random(1)
    for _ in range(50):
        path.write_bytes(flipped(whole, draw))
        assert store.evaluation_records("llm_baseline", ["tiny"]) == before


def test_files_that_were_written_before_there_were_seals_are_read(tmp_path):
    store, value = ArtefactStore(tmp_path), evaluation(LLM, shares(80, 100))
    path = store.write("llm_baseline", "tiny", value, kind=Evaluation)
    path.write_text(value.model_dump_json(indent=1), encoding="utf-8")
    assert store.read("llm_baseline", "tiny", Evaluation) == value


def test_a_cut_file_is_refused(tmp_path):
    path = write_rows(tmp_path / "hermes_conversations" / "all.parquet", conversations(), Conversation)
    whole = path.read_bytes()
    for length in (0, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableError, match="make it again"):
            read_rows(path, Conversation)
    path.unlink()
    with pytest.raises(ArtefactMissingError, match="make it first"):
        read_rows(path, EvalCase)


def test_a_seal_survives_any_text_and_none_that_was_changed():
    text = '{"text":"a \\"seal\\" \\ud83d 東京","n":1}'
    raw = seal(text).encode("utf-8", "surrogatepass")
    assert unsealed(raw) == text.encode("utf-8", "surrogatepass")
    assert unsealed(raw.replace(b'"n":1', b'"n":2')) is None


def test_damage_and_another_version_are_told_apart(tmp_path):
    store = ArtefactStore(tmp_path)
    path = store.write("llm_baseline", "tiny", evaluation(LLM, shares(80, 100)), kind=Evaluation)
    path.write_bytes(path.read_bytes().replace(b"evaluated", b"evaluatee"))
    with pytest.raises(DamagedError, match="does not hold what was written there"):
        store.read("llm_baseline", "tiny", Evaluation)
    path.write_text(seal('{"other":1}'))
    with pytest.raises(UnreadableError, match="not as this version writes it"):
        store.read("llm_baseline", "tiny", Evaluation)
