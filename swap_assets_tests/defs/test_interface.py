"""The interface of the hosted model is fixed on validation rows, and test rows are asked through it, in an epoch."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.definitions import resources_of
from swap_assets.defs import baselines, dataset
from swap_assets.defs.resources.store import ExperimentStore
from swap_assets.domain.formats.base import Interface, Track
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.openai import OPENAI
from swap_assets.domain.judging.interface_choice import InterfaceChoice
from swap_assets.domain.keys import TEST_SPLITS
from swap_assets.domain.model import Conversation, ToolCall
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.splits.scale_split import DatasetSplit
from swap_assets_tests.fakes import ChatServer, completion

pytestmark = pytest.mark.slow
ROWS = ("hermes_conversations", "quarantined_conversations", "dataset_split", *TEST_SPLITS)


class Laboratory:
    """The first assets of the graph beside a hosted model that knows the answers, in a folder of its own."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.store = ArtefactStore(folder / "state")
        self.answers: dict[str, tuple[ToolCall, ...]] = {}
        self._instance = instance

    def materialize(self, *names: str, config: dict[str, Any] | None = None, raises: bool = True) -> bool:
        found = dg.load_assets_from_modules([dataset, baselines])
        run_config = {"ops": {name: {"config": config} for name in names}} if config else None
        return dg.materialize(
            [item for item in found if isinstance(item, dg.AssetsDefinition)],
            selection=dg.AssetSelection.assets(*names),
            resources=resources_of(ExperimentStore()),
            partition_key="tiny" if "hermes_conversations" not in names else None,
            instance=self._instance,
            run_config=run_config,
            raise_on_error=raises,
        ).success

    def learn(self) -> None:
        """Let the hosted model know what is right, by the last words of the user."""
        for row in self.store.read("hermes_conversations", None, list[Conversation]):
            for index in row.assistant_turns():
                if row.turns[index - 1].role == "user":
                    self.answers[row.turns[index - 1].text] = row.turns[index].calls

    def reply(self, request: dict[str, Any], _number: int) -> tuple[int, dict[str, str], str]:
        """Answer right through native tools and through the structured track's text, and with nothing elsewhere."""
        calls = self.answers.get(request["messages"][-1]["content"], ())
        if "tools" in request and calls:
            answer = json.loads(completion("", finish="tool_calls"))
            sent = json.loads(OPENAI.write(calls))
            answer["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": sent}
            return 200, {}, json.dumps(answer)
        if "tools" in request:
            return 200, {}, completion("There is nothing to call.")
        if "response_format" in request or "tool_name" not in request["messages"][0]["content"]:
            return 200, {}, completion("")
        return 200, {}, completion(FLEDGLING_STRUCTURED.write(calls))


@pytest.fixture
def laboratory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, experiment_data: dict[str, Any]
) -> Iterator[tuple[Laboratory, ChatServer]]:
    with dg.DagsterInstance.ephemeral() as instance:
        made = Laboratory(tmp_path, instance)
        with ChatServer(made.reply) as server:
            experiment_data["hosted_model"] = {
                "key": "big", "provider": "openai", "base_url": server.base_url, "model": "big-2",
                "interfaces": ["text", "native"], "backoff_s": 0.01,
            }  # fmt: skip
            (tmp_path / "swap.yaml").write_text(yaml.safe_dump(experiment_data))
            monkeypatch.setenv("SWAP_CONFIG", str(tmp_path / "swap.yaml"))
            monkeypatch.chdir(tmp_path)
            load_experiment.cache_clear()
            made.materialize(*ROWS[:2])
            made.materialize(*ROWS[2:])
            made.learn()
            yield made, server
    load_experiment.cache_clear()


def test_validation_rows_decide_and_test_rows_are_asked_through_what_they_chose(
    laboratory: tuple[Laboratory, ChatServer],
) -> None:
    made, server = laboratory
    made.materialize("llm_interface")
    choice = made.store.read("llm_interface", "tiny", InterfaceChoice)
    assert choice.interfaces() == {Track.TOOLCALL: Interface.NATIVE, Track.STRUCTURED: Interface.TEXT}
    assert all(len(track.scores) == 2 and track.scores[0].rows for track in choice.tracks.values())
    split = made.store.read("dataset_split", "tiny", DatasetSplit)
    rows = {row.id: row for row in made.store.read("hermes_conversations", None, list[Conversation])}
    shown = {turn.text for name in split.validation for turn in rows[name].turns if turn.role == "user"}
    asked = {m["content"] for request in server.requests for m in request["messages"] if m["role"] == "user"}
    assert {text for text in asked if text in made.answers} <= shown

    before = len(server.requests)
    made.materialize("llm_baseline")
    evaluation = made.store.read("llm_baseline", "tiny", Evaluation)
    native, text = evaluation.results[Track.TOOLCALL], evaluation.results[Track.STRUCTURED]
    assert (native.served.interface, native.summary.answer_format) == (Interface.NATIVE, OPENAI)
    assert (text.served.interface, text.summary.answer_format) == (Interface.TEXT, FLEDGLING_STRUCTURED)
    assert native.served.models == ("big-2",) and native.served.fingerprints == ("fp_1",)
    first = len(server.requests) - before
    assert first == 2 * native.summary.cases

    made.materialize("llm_baseline")
    assert len(server.requests) == before + first
    made.materialize("llm_baseline", config={"epoch": "second"})
    assert len(server.requests) == before + 2 * first
    assert made.store.read("llm_baseline", "tiny", Evaluation).results[Track.TOOLCALL].served.epoch == "second"


def test_an_epoch_that_is_no_name_is_refused(laboratory: tuple[Laboratory, ChatServer]) -> None:
    made, server = laboratory
    with pytest.raises(ValueError, match="epoch"):
        made.materialize("llm_interface", config={"epoch": "../x"})
    assert not server.requests
