"""What is looked at of a model before it is downloaded or loaded, against a hub on loopback and folders on disk."""

import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from swap_assets.backends.models.local_model import TokenizerError, require_round_trip
from swap_assets.backends.models.provenance import Finding, miniature_folder
from swap_assets.backends.models.readiness import model_findings
from swap_assets.backends.processes.hardware import Gpu, Hardware
from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.domain.experiment.entries import SmallModel
from swap_assets.domain.experiment.recipes import Approach
from swap_assets_tests.backends.test_chat_template import CHATML, STRICT
from swap_assets_tests.hub_stand_in import HubServer

STUDENT = miniature_folder("student")
NAME = "org/model"
DEMO = load_experiment(Path("examples/demo/swap.yaml"))
MACHINE = Hardware(
    system="Linux", processor="", cpus=2, memory_gib=16.0, memory_free_gib=8.0, disk_free_gib=100.0, gpus=()
)  # fmt: skip
NF4 = Approach.model_validate(
    {
        "adapters": {"toolcall": "hermes"}, "trains": "always", "lora": {"r": 16, "alpha": 32},
        "training": {"batch_size": 1, "learning_rate": 1e-4, "epochs": 1, "max_length": 512, "quantisation": "nf4"},
    }
)  # fmt: skip
PLAIN = NF4.model_copy(update={"training": NF4.training.model_copy(update={"quantisation": "none"})})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with HubServer() as server:
        server.put_in_force(monkeypatch, tmp_path / "cache")
        server.models[NAME] = {path.name: path.read_bytes() for path in STUDENT.iterdir()}
        yield server


def look(model: SmallModel, *, token: str = "", machine: Hardware = MACHINE, approaches=(PLAIN,)) -> dict[str, Finding]:
    environment = {"HUGGING_FACE_HUB_TOKEN": token} if token else {}
    tried = {f"approach-{at}": approach for at, approach in enumerate(approaches)}
    experiment = DEMO.model_copy(update={"models": {"m": model}, "approaches": tried})
    found = model_findings("m", experiment, machine, environment)
    return {item.what.removeprefix("m: "): item for item in found}


def test_a_model_that_will_do_passes_every_check_and_no_weight_is_downloaded(hub):
    found = look(SmallModel(hub_id=NAME, dtype="float32"))
    assert {item.state for item in found.values()} == {"ok"}
    assert set(found) == {"access", "weights", "template", "tokenizer", "disk", "memory"}
    assert not [request for request in hub.asked if "safetensors" in request]


def test_a_gated_model_says_what_to_click(hub):
    hub.gated.add(NAME)
    asked_for = SmallModel(hub_id=NAME, gated=True)
    assert "set HUGGING_FACE_HUB_TOKEN" in look(asked_for)["access"].detail
    assert hub.asked == []
    assert "no token is set: open" in look(SmallModel(hub_id=NAME))["access"].detail
    refused = look(asked_for, token="hf_stranger")["access"]
    assert refused.state == "fail"
    assert f"open {hub.url}/{NAME}, click 'Agree and access'" in refused.detail
    assert "hf_stranger" not in refused.detail
    assert look(asked_for, token="hf_reader")["access"].state == "ok"


@pytest.mark.parametrize(
    ("model", "token", "said"),
    [
        (SmallModel(hub_id="org/modle"), "", "the hub has no model org/modle"),
        (SmallModel(hub_id=NAME, revision="v9"), "", "has no revision 'v9'"),
        (SmallModel(hub_id=NAME), "hf_old", "does not know this token"),
    ],
)
def test_a_wrong_name_revision_or_token_is_told_apart(hub, model, token, said):
    found = look(model, token=token)
    assert (found["access"].state, list(found)) == ("fail", ["access"])
    assert said in found["access"].detail


def test_a_hub_that_says_nothing_is_waited_for_only_so_long(hub, monkeypatch):
    monkeypatch.setattr("swap_assets.backends.hub.access.TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        began = time.monotonic()
        found = look(SmallModel(hub_id=NAME))["access"]
    assert time.monotonic() - began < 5
    assert found.state == "fail"
    assert "does not answer" in found.detail
    assert "not in the hub's cache" in found.detail


def test_what_the_cache_holds_needs_no_hub(hub, monkeypatch):
    from huggingface_hub import constants, hf_hub_download

    for file in hub.models[NAME]:
        hf_hub_download(NAME, file, endpoint=hub.url)
    hub.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    found = look(SmallModel(hub_id=NAME))
    assert found.pop("access").state == "warn"
    assert {item.state for item in found.values()} == {"ok"}
    assert hub.asked == []


def test_a_local_folder_or_miniature_touches_no_network(hub, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", _no_network)
    for model in (SmallModel(path=str(STUDENT)), SmallModel(miniature="student")):
        assert {item.state for item in look(model).values()} == {"ok"}
    assert hub.asked == []


def _no_network(*_: object, **__: object) -> None:
    raise AssertionError("the network was asked")


def test_pickled_weights_are_refused(hub):
    files = hub.models[NAME]
    files["pytorch_model.bin"] = files.pop("model.safetensors")
    found = look(SmallModel(hub_id=NAME))["weights"]
    assert found.state == "fail"
    assert "only pickled weights (pytorch_model.bin)" in found.detail
    files["model.safetensors"] = files["pytorch_model.bin"]
    assert look(SmallModel(hub_id=NAME))["weights"].state == "ok"


@pytest.mark.slow
def test_code_of_the_repository_runs_only_where_the_entry_says_so(hub):
    native, own = {"auto_map": {"AutoConfig": "c.C"}}, {"auto_map": {"AutoConfig": "c.C"}, "model_type": "mystery"}
    _change(hub, "config.json", native)
    assert look(SmallModel(hub_id=NAME))["own code"].state == "ok"
    hub.models["org/own"] = dict(hub.models[NAME])
    _change(hub, "config.json", own, name="org/own")
    _forget_cache(hub)
    assert look(SmallModel(hub_id="org/own"))["own code"].state == "fail"
    assert look(SmallModel(hub_id="org/own", trust_remote_code=True))["own code"].state == "warn"


def test_a_quantised_base_is_said_to_be_no_base_for_a_merge(hub):
    _change(hub, "config.json", {"quantization_config": {"quant_method": "bitsandbytes"}})
    found = look(SmallModel(hub_id=NAME))["stored as"]
    assert found.state == "warn"
    assert "merged_model refuses it" in found.detail


def test_what_a_template_lacks_is_named_before_anything_is_loaded(hub):
    files = hub.models[NAME]
    files["chat_template.jinja"] = CHATML.encode()
    assert look(SmallModel(hub_id=NAME))["template"][:3] == ("m: template", "ok", "as it is published")
    for template, told in {
        STRICT: "system messages as the user's",
        "{{ messages[9].content }}": "does not take",
    }.items():
        _forget_cache(hub)
        files["chat_template.jinja"] = template.encode()
        assert told in look(SmallModel(hub_id=NAME))["template"].detail
    assert look(SmallModel(hub_id=NAME))["template"].state == "fail"
    del files["chat_template.jinja"]
    assert look(SmallModel(hub_id=NAME))["template"].state == "fail"


@pytest.mark.parametrize("spoil", ["special", "lowercase"])
def test_a_tokenizer_that_changes_answers_is_named_with_an_example(tmp_path, spoil):
    from tokenizers import Tokenizer, normalizers

    tokenizer = Tokenizer.from_file(str(STUDENT / "tokenizer.json"))
    if spoil == "special":
        tokenizer.add_special_tokens(["<tool_call>"])
    else:
        tokenizer.normalizer = normalizers.Lowercase()
    for path in STUDENT.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    found = look(SmallModel(path=str(tmp_path)))["tokenizer"]
    assert found.state == "fail"
    assert "comes back as" in found.detail


@pytest.mark.slow
def test_a_loaded_tokenizer_that_tidies_blanks_is_refused_unless_told_not_to(tokenizer):
    class Tidy:
        def __call__(self, text, **options):
            return tokenizer(text, **options)

        def decode(self, ids, **options):
            return tokenizer.decode(ids, **options).replace(" ,", ",")

    require_round_trip(tokenizer, "m")
    with pytest.raises(TokenizerError, match="changes answers"):
        require_round_trip(Tidy(), "m")


def test_the_disk_takes_download_checkpoints_and_merged_copy(hub):
    big = _sized(hub, 16 * 1024**3)
    narrow = MACHINE.model_copy(update={"disk_free_gib": 10.0})
    assert big(narrow)["disk"].state == "fail"
    assert "download 16.0" in big(narrow)["disk"].detail
    assert big(MACHINE.model_copy(update={"disk_free_gib": 25.0}))["disk"].state == "warn"
    assert big(MACHINE)["disk"].state == "ok"


def test_memory_is_that_of_the_largest_card_and_nf4_needs_less(hub):
    big = _sized(hub, 16 * 1024**3)
    card = MACHINE.model_copy(update={"gpus": (Gpu(index=0, name="L4", memory_gib=17.0),)})
    assert big(card)["memory"].state == "fail"
    assert "set quantisation: nf4" in big(card)["memory"].detail
    assert big(card, approaches=(NF4,))["memory"].state == "ok"
    assert (
        "smaller model"
        in big(card.model_copy(update={"gpus": (Gpu(index=0, name="T4", memory_gib=15.0),)}))["memory"].detail
    )


def _sized(hub: HubServer, size: int):
    """Let the hub say that the weights are this large, and return how to look at that model."""

    class Large(bytes):
        def __len__(self) -> int:
            return size

    hub.models[NAME]["model.safetensors"] = Large(b"x")
    return lambda machine, approaches=(PLAIN,): look(SmallModel(hub_id=NAME), machine=machine, approaches=approaches)


def _change(hub: HubServer, file: str, values: dict, *, name: str = NAME) -> None:
    config = {**json.loads(hub.models[name][file]), **values}
    hub.models[name][file] = json.dumps(config).encode()


def _forget_cache(hub: HubServer) -> None:
    from huggingface_hub import constants

    shutil.rmtree(constants.HF_HUB_CACHE, ignore_errors=True)
