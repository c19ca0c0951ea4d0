import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swap_assets.backends.store.artefacts import ArtefactMissingError, read_rows, write_rows
from swap_assets.backends.store.whole import UnreadableError
from swap_assets.domain.model import Conversation, EvalCase, Quarantined
from swap_assets.domain.splits.capabilities import eval_cases
from swap_assets_tests.domain.data_rows import conversations, request

laws = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@laws
@given(st.lists(conversations(), max_size=3))
def test_reading_what_was_written_gives_the_same_rows_with_the_same_types(tmp_path, rows):
    again = read_rows(write_rows(tmp_path / "a.parquet", rows, Conversation), Conversation)
    assert again == rows
    assert [row.model_dump_json() for row in again] == [row.model_dump_json() for row in rows]


@laws
@given(st.lists(conversations(), max_size=2))
def test_cases_are_stored_exactly(tmp_path, rows):
    chosen = {"splits": ("single_turn_test", "parallel_test")}  # a criterion judges the rows of its own split
    cases = [case.model_copy(update=chosen) for row in rows for case in eval_cases(row)]
    assert read_rows(write_rows(tmp_path / "c.parquet", cases, EvalCase), EvalCase) == cases


@laws
@given(st.text(), st.text(), st.integers(0, 10**9))
def test_quarantined_rows_are_stored_exactly(tmp_path, detail, raw, row):
    rows = [Quarantined(source="s", row=row, reason="unknown_shape", detail=detail, raw=raw)]
    assert read_rows(write_rows(tmp_path / "q.parquet", rows, Quarantined), Quarantined) == rows


def test_the_same_rows_give_byte_identical_files(tmp_path: Path):
    rows = [request(f"lamp {index}") for index in range(50)]
    one, other = (write_rows(tmp_path / name, rows, Conversation).read_bytes() for name in ("1.parquet", "2.parquet"))
    assert one == other


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch):
    path = write_rows(tmp_path / "a.parquet", [request("old")], Conversation)

    def broken(_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        write_rows(path, [request("new")], Conversation)
    assert list(tmp_path.iterdir()) == [path]
    assert read_rows(path, Conversation)[0].turns[0].text == "old"


def test_a_missing_or_foreign_file_is_an_error_that_says_what_to_do(tmp_path: Path):
    with pytest.raises(ArtefactMissingError, match="make it first: swap-assets materialize"):
        read_rows(tmp_path / "none.parquet", Conversation)
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(UnreadableError, match="make it again: swap-assets materialize"):
        read_rows(tmp_path / "text.parquet", Conversation)
    write_rows(tmp_path / "q.parquet", [], Quarantined)
    with pytest.raises(UnreadableError, match="make it again: swap-assets materialize"):
        read_rows(tmp_path / "q.parquet", Conversation)
