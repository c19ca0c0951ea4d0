"""The README.md beside an adapter: what the hub reads of it, and what it tells a person."""

from pathlib import Path

import pytest

from swap_assets.backends.hub.cards import README, write_adapter_readme
from swap_assets.backends.models.provenance import ADAPTER_CARD, PickledWeightsError
from swap_assets.backends.processes.specs import Weights
from swap_assets.backends.store.whole import unsealed
from swap_assets_tests.backends.test_training import run, spec_for
from swap_assets_tests.fakes import tiny_model

pytestmark = pytest.mark.slow


def test_an_adapter_carries_a_card_that_the_hub_reads_and_its_licence_spec_and_losses(rows: Path) -> None:
    from huggingface_hub import ModelCard

    base = tiny_model(rows / "base")
    (base / README).write_text("---\nlicense: mit\n---\n# base\n")
    spec = spec_for(Weights(source=str(base), dtype="float32"), rows).model_copy(update={"datasets": ("org/rows",)})
    trained = run(spec, rows / "work")
    card = ModelCard.load(trained.adapter / README)
    assert card.data.library_name == "peft"
    assert (card.data.license, card.data.datasets) == ("mit", ["org/rows"])
    assert {"lora", "transformers", "function-calling"} <= set(card.data.tags or [])
    for told in (trained.adapter_hash, trained.dataset_hash, trained.prompt_hash, f"{trained.train_loss:.4f}"):
        assert told in card.text
    assert f"{trained.validation_curve[-1].loss:.4f}" in card.text
    assert str(rows) not in card.content
    assert (trained.adapter / ADAPTER_CARD).is_file()
    (trained.adapter / "training_args.bin").write_bytes(b"")
    with pytest.raises(PickledWeightsError, match=r"training_args\.bin"):
        write_adapter_readme(trained)


def test_a_base_of_the_hub_is_named_in_the_front_matter(tiny: Weights, rows: Path) -> None:
    from huggingface_hub import ModelCard

    trained = run(spec_for(tiny, rows, epochs=1), rows / "work")
    path = trained.adapter / ADAPTER_CARD
    path.write_bytes((unsealed(path.read_bytes()) or b"").replace(tiny.source.encode(), b"org/base"))
    data = ModelCard.load(write_adapter_readme(trained)).data
    assert data.base_model == "org/base"
    assert "base_model:adapter:org/base" in (data.tags or [])
    assert data.license is None
