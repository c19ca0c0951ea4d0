"""Spec files: what is written is read back, what is wrong is named, and no secret has a place in them."""

from pathlib import Path

import pytest

from swap_assets.backends.processes import specs
from swap_assets.backends.processes.specs import GenerateSpec, SpecError, Weights, read_spec, write_spec
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES


def generate_spec(folder: Path) -> GenerateSpec:
    return GenerateSpec(
        candidate_id="c", weights=Weights(source="/m"), cases_files=(folder / "cases.jsonl",),
        answer_format=HERMES,
        prompt_style=PromptStyle.COMPACT, output=folder / "out.jsonl",
    )  # fmt: skip


def test_a_spec_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    spec = generate_spec(tmp_path)
    assert read_spec(write_spec(spec, tmp_path / "new" / "folder")) == spec


@pytest.mark.parametrize(
    ("content", "hint"), [("{", "does not hold a spec"), ('{"kind": "dance"}', "does not hold a spec")]
)
def test_a_file_that_holds_no_spec_is_refused(tmp_path: Path, content: str, hint: str) -> None:
    path = tmp_path / "spec.json"
    path.write_text(content)
    with pytest.raises(SpecError, match=hint):
        read_spec(path)


def test_a_missing_spec_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"spec\.json cannot be read"):
        read_spec(tmp_path / "spec.json")


def test_no_field_of_a_spec_is_for_a_secret() -> None:
    kinds = (specs.TrainSpec, specs.GenerateSpec, specs.MergeSpec, specs.ServeSpec, specs.Weights, specs.Tracking)
    names = {name for kind in kinds for name in kind.model_fields}
    assert not [name for name in names if any(word in name for word in ("key", "secret", "password", "credential"))]
