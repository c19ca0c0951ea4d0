"""A recipe names a known method and holds that method's own settings."""

import pytest
from pydantic import Field, ValidationError

from swap_assets.domain.experiment.recipes import METHODS, Recipe, TrainingSettings

LORA = {"r": 4, "alpha": 8}
SETTINGS = {"batch_size": 2, "learning_rate": 1e-3, "epochs": 1, "max_length": 64}


class PreferenceSettings(TrainingSettings):
    beta: float = Field(gt=0)


def test_a_method_has_settings_of_its_own_which_are_written_and_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "preference", PreferenceSettings)
    recipe = Recipe.model_validate({"method": "preference", "lora": LORA, "training": {**SETTINGS, "beta": 0.1}})
    assert isinstance(recipe.training, PreferenceSettings)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    with pytest.raises(ValidationError, match="beta"):
        Recipe.model_validate({"method": "preference", "lora": LORA, "training": SETTINGS})
    with pytest.raises(ValidationError, match="beta"):
        Recipe.model_validate({"method": "sft", "lora": LORA, "training": {**SETTINGS, "beta": 0.1}})


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValidationError, match="no such training method: expected sft"):
        Recipe.model_validate({"method": "dpo", "lora": LORA, "training": SETTINGS})
