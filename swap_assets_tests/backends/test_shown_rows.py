"""The doctor renders rows with the tokenizer alone: what training would refuse is refused there, with the row."""

from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.models.shown_rows import row_findings
from swap_assets.domain.experiment.experiment import Experiment, parse_experiment
from swap_assets.domain.model import Conversation, ToolCall, ToolResponse, Turn
from swap_assets_tests.backends.test_turn_tokens import base_model
from swap_assets_tests.domain.data_rows import request
from swap_assets_tests.fakes import CHATML, tiny_model

pytestmark = pytest.mark.slow


def experiment_of(experiment_data: dict[str, Any], folder: Path, **entry: Any) -> Experiment:
    return parse_experiment({**experiment_data, "models": {"x": {"path": str(folder), "dtype": "float32", **entry}}})


def rows_of() -> list[Conversation]:
    plain = request("a lamp, please", row=0)
    call = ToolCall(name="f", arguments={"a": 1})
    more = (
        *plain.turns, Turn(role="tool", responses=(ToolResponse(name="f", content="1"),)),
        Turn(role="assistant", text="done"), Turn(role="user", text="and?"), Turn(role="assistant", calls=(call, call)),
    )  # fmt: skip
    return [plain, plain.model_copy(update={"id": "second"}), plain.model_copy(update={"id": "third", "turns": more})]


def test_the_first_row_of_each_kind_is_shown_with_mask_stop_and_length(
    experiment_data: dict[str, Any], tmp_path: Path
) -> None:
    found = row_findings("x", experiment_of(experiment_data, tiny_model(tmp_path / "x")), rows_of())
    hermes = next(finding for finding in found if finding.what == "x: rows as hermes")
    assert hermes.state == "ok" and "ends with '<|im_end|>'" in hermes.detail
    assert hermes.detail.count("tokens") == 2 and "parallel calls, with responses, several requests" in hermes.detail
    assert "⟦<tool_call>" in hermes.rows and "<|im_end|>⟧" in hermes.rows


def test_a_template_that_rewrites_history_in_some_rows_fails_with_the_row(
    experiment_data: dict[str, Any], tmp_path: Path
) -> None:
    refuses = (
        "{% for m in messages %}{% if m['content'] == 'and?' %}{{ raise_exception('no second request') }}{% endif %}"
    )
    folder = tiny_model(tmp_path / "x", template=refuses + "{% endfor %}" + CHATML)
    found = row_findings("x", experiment_of(experiment_data, folder), rows_of())
    assert any(
        finding.state == "fail" and "row third" in finding.detail and "no second request" in finding.detail
        for finding in found
    )


@pytest.mark.parametrize(("entry", "state"), [({}, "warn"), ({"vllm": {"command": ["vllm", "serve"]}}, "fail")])
def test_untrained_turn_tokens_are_said_and_fail_where_vllm_is_to_answer(
    experiment_data: dict[str, Any], tmp_path: Path, entry: dict[str, Any], state: str
) -> None:
    base_model(tmp_path / "x", tied=True)
    found = row_findings("x", experiment_of(experiment_data, tmp_path / "x", **entry), rows_of())
    assert found[-1].state == state and "<|im_end|> (" in found[-1].detail
