"""The accounting on real rows, which the repository does not contain: SWAP_REAL_DATA_DIR names a folder of them.

Expected in it: `hermes/`, `glaive/` and `bfcl_v4/` as docs/data.md describes them.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.data import write_row
from swap_assets.backends.datasets.loading import load_source, load_sources
from swap_assets.domain.experiment.sources import LoadedSource, LocalSource, Scale, TestSplitSizes
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.prompts import as_sent
from swap_assets.domain.profile import profile_source
from swap_assets.domain.reading.parsing import parse_row
from swap_assets.domain.scoring.row_scoring import score_answer
from swap_assets.domain.scoring.words import in_words
from swap_assets.domain.splits.capabilities import eval_cases
from swap_assets.domain.splits.capability_splits import select
from swap_assets.domain.splits.domains import DOMAINS, OTHER
from swap_assets.domain.splits.scale_split import split_scale
from swap_assets.domain.synthetic.generator import GeneratorSettings, fill_settings, generate

FOLDER = os.environ.get("SWAP_REAL_DATA_DIR", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="SWAP_REAL_DATA_DIR is not set; it names a folder of real rows")


def _load(name: str) -> LoadedSource:
    return load_source(LocalSource(path=str(Path(FOLDER) / name)))


@pytest.fixture(scope="module", params=["revision_2024", "current_shape"])
def hermes(request: pytest.FixtureRequest) -> LoadedSource:
    return _load(f"hermes/func_calling_singleturn.{request.param}.jsonl")


def test_both_revisions_give_the_same_127_conversations_and_no_row_is_lost():
    older, current = (
        _load(f"hermes/func_calling_singleturn.{name}.jsonl") for name in ("revision_2024", "current_shape")
    )
    assert (older.rows_in, current.rows_in) == (130, 127)
    assert Counter(row.reason for row in older.quarantined) == {"exact_duplicate": 3}
    assert not current.quarantined
    assert {row.id for row in older.conversations} == {row.id for row in current.conversations}
    assert len(current.conversations) == 127


def test_every_call_row_parses_unrepaired_and_every_extraction_row_is_repaired(hermes: LoadedSource):
    repaired = [row for row in hermes.conversations if row.repairs]
    assert len(repaired) == 35
    assert {row.category for row in repaired} == {"Information Extraction"}
    counts = Counter(repair for row in repaired for repair in row.repairs)
    assert counts == {"literal_newlines": 35, "name_lifted": 35, "argument_renamed": 35, "tools_split_around_tag": 5}
    assert all(row.turns[1].calls for row in hermes.conversations)


def test_the_profile_has_the_figures_of_the_format_notes(hermes: LoadedSource):
    profile = profile_source(hermes)
    assert profile.calls_per_answer == {1: 72, 2: 21, 3: 22, 4: 9, 5: 2, 7: 1}
    assert max(profile.tools_offered) == 5
    assert 3_000 < profile.lengths[0].p50 < 4_000


def test_card_examples_of_the_other_configs_and_the_one_current_row_parse():
    assert len(_load("hermes/card_example_rows.jsonl").conversations) == 4
    assert len(_load("hermes/func_calling_singleturn_row0.revision_dae3e1d2.json").conversations) == 1


def test_glaive_and_bfcl_lose_no_row():
    glaive = _load("glaive/glaive_toolcall_en_demo.json")
    assert (glaive.rows_in, len(glaive.conversations)) == (300, 265)
    assert {row.reason for row in glaive.quarantined} == {"exact_duplicate"}
    bfcl = _load("bfcl_v4/*.json")
    assert (bfcl.rows_in, len(bfcl.conversations), bfcl.quarantined) == (1240, 1240, ())
    calls = Counter(row.provenance.config for row in bfcl.conversations if row.turns[-1].calls)
    assert calls == {
        "BFCL_v4_simple_python": 400,
        "BFCL_v4_multiple": 200,
        "BFCL_v4_parallel": 200,
        "BFCL_v4_parallel_multiple": 200,
    }


@pytest.mark.parametrize(
    "name", ["hermes/func_calling_singleturn.current_shape.jsonl", "glaive/*.json", "bfcl_v4/*.json"]
)
def test_real_rows_survive_being_written_and_parsed(name: str):
    for row in _load(name).conversations:
        again = parse_row(write_row(row), source="x")
        assert again.turns == tuple(as_sent(row.turns))  # type: ignore[union-attr]
        assert again.tools == row.tools  # type: ignore[union-attr]


def test_every_real_turn_gets_its_labels():
    for name in ("hermes/*.jsonl", "glaive/*.json", "bfcl_v4/*.json"):
        for row in _load(name).conversations:
            for case in eval_cases(row):
                assert case.labels["domain"] in (*DOMAINS, OTHER)
                assert ("single_turn" in case.labels) == (bool(case.gold_calls) and len(case.history) == 1)


def test_rows_of_a_source_without_a_share_make_clarification_real(hermes: LoadedSource):
    glaive = LocalSource(name="glaive", path=str(Path(FOLDER) / "glaive/*.json"), share=0)
    main = LocalSource(name="hermes", path=str(Path(FOLDER) / "hermes/*.current_shape.jsonl"), share=1)
    rows = load_sources([main, glaive]).conversations
    scales = {"small": Scale(train=60, validation=12, test=26)}
    split = split_scale(rows, scale="small", scales=scales, release_test=15, seed=42, shares={"hermes": 1, "glaive": 0})
    assert {each.source for each in split.sources} == {"hermes"}
    chosen = select("multi_turn_test", conversations=rows, split=split, sizes=TestSplitSizes())
    assert chosen.real["clarification"] == chosen.wanted["clarification"] == 10


def test_real_rows_split_exactly_without_leakage_and_fill_the_test_splits_first(hermes: LoadedSource):
    scales = {"small": Scale(train=60, validation=12, test=26)}
    split = split_scale(hermes.conversations, scale="small", scales=scales, release_test=15, seed=42)
    assert [len(part) for part in (split.train, split.validation, split.test, split.release)] == [60, 12, 26, 15]
    assert split.leakage.clean
    repaired = {row.id for row in hermes.conversations if row.repairs}
    assert not repaired & {*split.test, *split.release, *split.reserve}
    fill = generate(fill_settings(GeneratorSettings(), rows=600, seed=42))
    rows, sizes = hermes.conversations, TestSplitSizes()
    chosen = select("single_turn_test", conversations=rows, split=split, sizes=sizes, fill=fill)
    assert chosen.missing == {}
    held_out = {*split.test, *split.reserve}
    cases = [case for row in rows if row.id in held_out for case in eval_cases(row)]
    available = Counter(case.labels["single_turn"] for case in cases)
    assert chosen.real == {label: min(available[label], count) for label, count in chosen.wanted.items()}


def test_no_gold_text_of_a_real_row_without_a_call_is_refused_as_no_answer():
    """One of 653 is JSON that was cut: it is no words, and is right because gold says it."""
    rows = [row for name in ("glaive/glaive_toolcall_en_demo.json", "hermes/card_example_rows.jsonl") for row in
            _load(name).conversations]  # fmt: skip
    quiet = [case for row in rows for case in eval_cases(row) if not case.gold_calls]
    assert len(quiet) > 600
    assert all(score_answer(case, HERMES.read(case.gold_text)).no_call_correct for case in quiet)
    refused = [case for case in quiet if not in_words(case.gold_text, (tool.name for tool in case.tools))]
    assert [case.gold_text.startswith('{\n "root"') for case in refused] == [True]
