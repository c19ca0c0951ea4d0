"""Publishing to a hub on loopback: one commit, nothing anew where nothing changed, refusals before any upload."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from swap_assets.backends.hub.publishing import NOTE, PublishError, publish, publish_merged, release_files
from swap_assets.backends.models import provenance
from swap_assets.backends.models.provenance import MERGE_CARD, MergeCard
from swap_assets.domain.experiment.entries import Publishing
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import Candidate, Form
from swap_assets.domain.weights import MergedAdapter, MergedModel
from swap_assets_tests.domain.evaluations import PAPER, evaluation, shares
from swap_assets_tests.hub_stand_in import HubServer

REPO = "org/agent"
MERGED: Candidate = PAPER.model_copy(update={"form": Form.MERGED})
MEASURED = "---\nlibrary_name: transformers\ntags:\n- swap-assets\n---\n\n# card\n"
DECISION = Decision.model_construct(name="release_decision", action="release", reason="no worse", scale="small")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with HubServer() as server:
        server.put_in_force(monkeypatch, tmp_path / "cache")
        yield server


def merged(folder: Path, *names: str) -> MergedModel:
    """Return a merged model whose folders hold small files in place of weights."""
    return MergedModel(
        candidate_id=MERGED.id, base="org/base@main", dtype="bfloat16", decision="d",
        adapters={name: _adapter(folder / name) for name in names}, evaluation=evaluation(MERGED, shares(8, 10)),
        evidence="e",
    )  # fmt: skip


def _adapter(folder: Path) -> MergedAdapter:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(b"weights " + folder.name.encode())
    (folder / "config.json").write_text("{}")
    card = MergeCard.model_validate(
        {
            "candidate_id": MERGED.id, "answer_format": "hermes", "prompt_style": "hermes", "base": "org/base",
            "revision": "main", "dtype": "bfloat16", "base_hash": "b", "adapter_hash": "a", "dataset_hash": "d",
            "prompt_hash": "p", "merged_hash": "m", "lora": {"r": 2, "alpha": 4}, "seed": 1, "licence": "mit",
            "training": {"batch_size": 1, "learning_rate": 1e-3, "epochs": 1, "max_length": 64}, "versions": {},
        }
    )  # fmt: skip
    (folder / MERGE_CARD).write_text(card.model_dump_json())
    return MergedAdapter(
        folder=str(folder), merged_hash=provenance.weights_hash(str(folder)), adapter_hash="a", prompt_hash="p",
        parity_rows=1, equal_texts=1, max_logit_difference=0.0,
    )  # fmt: skip


def put(model: MergedModel, *, token: str | None = "hf_writer", repo_id: str = REPO, private: bool = True):
    files = release_files(model, measured=MEASURED, told={"Let through by": "a pass"})
    return publish(files, candidate_id=model.candidate_id, repo_id=repo_id, private=private, token=token)


def test_a_model_is_put_into_a_private_repository_with_its_card_in_one_commit(hub, tmp_path):
    done = put(merged(tmp_path, "toolcall"))
    assert hub.private == {REPO: True}
    assert [name for name, _ in hub.commits] == [REPO]
    assert set(hub.models[REPO]) == {"README.md", "config.json", "model.safetensors", MERGE_CARD, NOTE}
    readme = hub.models[REPO]["README.md"].decode()
    assert "license: mit" in readme
    assert "a pass" in readme
    assert (done.files, done.url) == (5, f"{hub.url}/{REPO}")


def test_unchanged_content_uploads_nothing_anew_and_changed_content_replaces_the_old(hub, tmp_path):
    put(merged(tmp_path, "toolcall"))
    assert put(merged(tmp_path, "toolcall")).files == 0
    assert len(hub.commits) == 1
    (tmp_path / "toolcall" / "generation_config.json").write_text("{}")
    put(merged(tmp_path, "toolcall"))
    assert "generation_config.json" in hub.commits[1][1]
    assert "model.safetensors" not in hub.commits[1][1]
    put(merged(tmp_path / "again", "structured", "toolcall"))
    assert "model.safetensors" not in hub.models[REPO]
    assert {"structured/model.safetensors", "toolcall/model.safetensors"} <= set(hub.models[REPO])


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, "needs HUGGING_FACE_HUB_TOKEN"),
        ("hf_reader", "may not write to org/agent"),
        ("hf_old", "does not know this token"),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_without_the_right_to_write_nothing_is_uploaded(hub, tmp_path, token, said, there):
    if there:
        hub.models[REPO] = {}
    with pytest.raises(PublishError, match=said):
        put(merged(tmp_path, "toolcall"), token=token)
    assert hub.commits == []
    assert not [request for request in hub.asked if "preupload" in request]


def test_a_repository_that_holds_something_else_is_not_written_over(hub, tmp_path):
    hub.models[REPO] = {".gitattributes": b"", "model.safetensors": b"mine"}
    with pytest.raises(PublishError, match="not published from here"):
        put(merged(tmp_path, "toolcall"))
    hub.models[REPO] = {".gitattributes": b""}
    put(merged(tmp_path, "toolcall"))
    other = merged(tmp_path, "toolcall").model_copy(update={"candidate_id": "other--small--paper--greedy--merged"})
    with pytest.raises(PublishError, match=r"holds phi--small--paper--greedy--merged; put .model."):
        put(other)


def test_weights_that_are_not_what_was_scored_are_not_published(tmp_path):
    model = merged(tmp_path, "toolcall")
    (tmp_path / "toolcall" / "model.safetensors").write_bytes(b"others")
    with pytest.raises(PublishError, match="not what was scored"):
        release_files(model, measured=MEASURED, told={})


def test_without_publish_in_the_experiment_file_it_is_skipped_with_that_reason(tmp_path):
    done = publish_merged(merged(tmp_path, "toolcall"), DECISION, None, report=None)  # type: ignore[arg-type]
    assert (done.status, done.url) == ("skipped", "")
    assert "no publish" in done.reason


def test_only_what_stands_on_the_release_in_force_is_published(tmp_path):
    decision = Decision(
        name="release_decision", scale="small", rule="r", thresholds={}, verdict="pass", action="release", reason="ok"
    )
    model = merged(tmp_path, "toolcall")
    assert "older release_decision" in model.refusal_to_publish(decision)
    current = model.model_copy(update={"decision": decision.content()})
    assert current.refusal_to_publish(decision) == ""
    wait = decision.model_copy(update={"action": "wait"})
    waiting = model.model_copy(update={"decision": wait.content()})
    assert "says wait" in waiting.refusal_to_publish(wait)
    assert waiting.model_copy(update={"override": "Ada: pilot"}).refusal_to_publish(wait) == ""
    assert "untouched" in current.model_copy(update={"adapters": {}}).refusal_to_publish(decision)


@pytest.mark.parametrize("name", ["agent", "org/a/b", "org/{size}", "org/{", "org/a b"])
def test_a_repository_name_that_the_hub_would_not_take_is_refused_when_the_file_is_read(name):
    with pytest.raises(ValueError, match="repo_id"):
        Publishing(repo_id=name)
    assert Publishing(repo_id="org/a-{model}-{scale}").repository(MERGED) == "org/a-phi-small"
