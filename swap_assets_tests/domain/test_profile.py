import pytest
from hypothesis import given
from hypothesis import strategies as st

from swap_assets.domain.experiment.sources import LoadedSource
from swap_assets.domain.model import Conversation
from swap_assets.domain.profile import length_profile, profile_markdown, profile_sentence, profile_source, propose_sizes
from swap_assets.domain.reading.parsing import parse_row, set_duplicates_aside
from swap_assets.domain.splits.capabilities import eval_cases
from swap_assets.domain.splits.scale_split import TooFewRowsError
from swap_assets.domain.synthetic.generator import GeneratorSettings, generate
from swap_assets_tests.domain.data_rows import LIGHT_CALL, call_text, extraction_row, hermes_row, request, unlike


def _loaded(rows) -> LoadedSource:
    results = [parse_row(row, source="s", index=index) for index, row in enumerate(rows)]
    kept, repeats = set_duplicates_aside(row for row in results if isinstance(row, Conversation))
    refused = [row for row in results if not isinstance(row, Conversation)]
    return LoadedSource(conversations=tuple(kept), quarantined=(*refused, *repeats), rows_in=len(rows))


def test_a_profile_counts_what_was_kept_repaired_and_set_aside():
    call = call_text(LIGHT_CALL)
    unfit = call_text({"name": "set_light", "arguments": {"room": 3, "on": True}})
    rows = [
        hermes_row(call),
        hermes_row(call),
        {"text": "?"},
        extraction_row(),
        hermes_row(unfit + call, human="Both."),
    ]
    profile = profile_source(_loaded(rows))
    assert (profile.rows_in, profile.kept) == (5, 3)
    assert profile.quarantined == {"exact_duplicate": 1, "unknown_shape": 1}
    assert profile.repairs == {"argument_renamed": 1, "literal_newlines": 1, "name_lifted": 1}
    assert profile.repaired_gold == 1
    assert profile.unfit_calls == 1
    assert profile.calls_per_answer == {1: 2, 2: 1}
    assert profile.labels["parallel"] == {"same_function": 1}
    assert "3 of 5 rows kept (1 exact_duplicate, 1 unknown_shape set aside); 1 have repaired" in profile_sentence(
        profile
    )


def test_label_counts_are_the_cases():
    rows = list(generate(GeneratorSettings(rows=100)))
    loaded = LoadedSource(conversations=tuple(rows), quarantined=(), rows_in=100)
    profile = profile_source(loaded, look_for_near_duplicates=False)
    cases = [case for row in rows for case in eval_cases(row)]
    assert sum(profile.labels["turn"].values()) == sum(profile.labels["domain"].values()) == len(cases)
    assert profile.near_duplicates is None


@given(st.lists(st.integers(0, 5000), max_size=60), st.integers(0, 5000))
def test_every_row_is_in_one_bar_of_the_histogram_and_the_percentiles_are_values(lengths, limit):
    made = length_profile("x", lengths, unit="tokens", limit=limit)
    assert sum(made.counts) == made.count == len(lengths)
    assert list(made.edges) == sorted(made.edges)
    assert made.over_limit == sum(length > limit for length in lengths)
    if lengths:
        assert {made.p50, made.p95, made.longest} <= set(lengths)
        assert sum(length <= made.p95 for length in lengths) >= 0.95 * len(lengths)


def test_the_markdown_has_the_warning_first_and_says_how_many_rows_would_be_cut():
    loaded = _loaded([hermes_row(call_text(LIGHT_CALL))]).model_copy(update={"first_line_warning": "SYNTHETIC."})
    lengths = [length_profile("phi-4-mini", [10, 3000], unit="tokens", limit=2048)]
    text = profile_markdown(profile_source(loaded, lengths=lengths))
    assert text.startswith("**SYNTHETIC.**")
    assert "| phi-4-mini (tokens) | 10 | 3,000 | 3,000 | 1 of 2 over 2,048 |" in text


@pytest.mark.parametrize(("rows", "scales"), [(20, ["small"]), (130, ["small"]), (2600, ["small", "large"])])
def test_proposed_sizes_can_be_filled(rows, scales):
    conversations = [request(text) for text in unlike(rows)]
    proposed = propose_sizes(conversations, seed=42)
    assert list(proposed.scales) == scales
    assert proposed.scales["small"].test >= 3


def test_a_handful_of_rows_is_too_few_to_propose_sizes():
    with pytest.raises(TooFewRowsError, match="collect at least 20"):
        propose_sizes([request("lamp")], seed=1)
    with pytest.raises(TooFewRowsError, match="collect more varied ones"):
        propose_sizes(
            [request("lamp", repairs=("name_lifted",)).model_copy(update={"id": str(i)}) for i in range(30)], seed=1
        )
