"""A merged model answers as its adapter did, and an adapter of unknown origin is not merged."""

from pathlib import Path

import pytest

from swap_assets.backends.merging import MergeError, merge, read_card
from swap_assets.backends.reporting import Reporter
from swap_assets.backends.specs import ADAPTER_CARD, MergeSpec, Weights
from swap_assets_tests.backends.test_training import run, spec_for

pytestmark = pytest.mark.slow


def test_the_merged_model_says_what_the_adapter_said(tiny: Weights, rows: Path) -> None:
    trained = run(spec_for(tiny, rows), rows / "work")
    spec = MergeSpec(
        candidate_id="c", weights=tiny, adapter=trained.adapter, cases_file=rows / "cases.jsonl", parity_rows=3,
        max_new_tokens=24, output=rows / "merged",
    )  # fmt: skip
    result = merge(spec, reporter=Reporter(write=lambda _: None))
    assert (result.parity_rows, result.equal_texts) == (3, 3)
    assert 0 < result.max_logit_difference < 1e-3
    assert (result.adapter_hash, result.prompt_hash) == (trained.adapter_hash, trained.prompt_hash)
    names = {path.name for path in spec.output.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "chat_template.jinja", ADAPTER_CARD} <= names
    assert "adapter_config.json" not in names


def test_an_adapter_that_does_not_say_how_it_was_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MergeError, match="train the adapter first"):
        read_card(tmp_path)


def test_an_adapter_whose_weights_were_exchanged_is_refused(tiny: Weights, rows: Path) -> None:
    trained = run(spec_for(tiny, rows, epochs=1), rows / "work")
    (trained.adapter / "adapter_model.safetensors").write_bytes(b"other")
    with pytest.raises(MergeError, match="are not those"):
        read_card(trained.adapter)
