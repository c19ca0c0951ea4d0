"""The experiment's folder: values come back as they went in, halves are never seen, failures are kept."""

import os

import pytest

from swap_assets.backends.engines.generation import RecordFile
from swap_assets.backends.hosted.cache import AnswerCache, Spend
from swap_assets.backends.hosted.messages import Reply
from swap_assets.backends.store.artefacts import ArtefactMissingError, ArtefactStore
from swap_assets.backends.store.whole import write_text
from swap_assets.domain.keys import file_name
from swap_assets.domain.model import EvalCase, ToolCall
from swap_assets.domain.scoring.evaluation import Evaluation, not_evaluated
from swap_assets_tests.domain.evaluations import PAPER, evaluation, shares


@pytest.fixture
def store(tmp_path):
    return ArtefactStore(tmp_path)


def test_a_pydantic_value_comes_back_equal(store):
    value = evaluation(PAPER, shares(3, 5))
    store.write("paper_evaluation", "phi|small", value, kind=Evaluation)
    assert store.read("paper_evaluation", "phi|small", Evaluation) == value


def test_rows_come_back_with_their_exact_types(store):
    call = ToolCall(name="f", arguments={"zip": "02139", "n": 1, "x": 1.0, "deep": {"a": [None, True]}})
    case = EvalCase(id="a#1", conversation_id="a", turn=1, tools=(), history=(), gold_calls=(call,), origin="synthetic")
    store.write("single_turn_test", "tiny", [case], kind=list[EvalCase])
    (found,) = store.read("single_turn_test", "tiny", list[EvalCase])
    assert found == case
    assert repr(found.gold_calls[0].arguments) == repr(call.arguments)


def test_a_missing_value_says_what_to_materialise(store):
    with pytest.raises(ArtefactMissingError, match=r"materialize .*paper_evaluation --partition 'phi\|small'"):
        store.read("paper_evaluation", "phi|small", Evaluation)


def test_partitions_do_not_overwrite_each_other(store):
    for scale in ("small", "large"):
        store.write("x", scale, not_evaluated(PAPER, "absent", scale), kind=Evaluation)
    assert store.read("x", "small", Evaluation).reason == "small"
    assert file_name("phi|small") != file_name("phi|large")


def test_a_failure_is_kept_until_a_success_follows(store):
    store.record_failure("paper_adapter", "phi|small", "out of memory")
    assert store.failure("paper_adapter", "phi|small") == "out of memory"
    assert store.failure("paper_adapter", "phi|large") == ""
    store.write("paper_adapter", "phi|small", not_evaluated(PAPER, "absent", ""), kind=Evaluation)
    assert store.failure("paper_adapter", "phi|small") == ""


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "file.json"
    write_text(path, "old")
    with pytest.raises(AttributeError):
        write_text(path, 5)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.json"]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_values_rows_and_caches_are_for_their_owner_alone_whatever_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        root = tmp_path / "state" / "mine"
        store = ArtefactStore(root)
        store.write("paper_evaluation", "phi|small", evaluation(PAPER, shares(3, 5)), kind=Evaluation)
        store.write("single_turn_test", "tiny", [], kind=list[EvalCase])
        store.record_failure("paper_adapter", "phi|small", "out of memory")
        with AnswerCache(store.work("hosted") / "answers.sqlite3") as cache:
            cache.keep("k", Reply(finish_reason="stop"), Spend(), model="m", epoch="e")
        RecordFile(store.work("answers", "c", "hermes") / "predictions.jsonl", {}, candidate_id="c")
    finally:
        os.umask(before)
    kept = [path for path in tmp_path.rglob("*") if path.parent.name != "answers.sqlite3.owners"]
    assert {oct(path.stat().st_mode & 0o777) for path in kept if path.is_file()} == {"0o600"}
    assert {oct(path.stat().st_mode & 0o777) for path in kept if path.is_dir()} == {"0o700"}
    assert len(kept) > 15
