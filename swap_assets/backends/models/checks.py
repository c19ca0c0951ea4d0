"""All checks of one small model, in the order in which they would stop it.

A miniature and a local folder need no network and ask for none. What disk and memory need are estimates, each with
what it is made of.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from swap_assets.backends.engines import ENGINES
from swap_assets.backends.hub.access import HubRefusalError, HubSilentError, cached_folder, hub_token, look_up
from swap_assets.backends.models import miniatures
from swap_assets.backends.models.chat_template import (
    PROBES,
    REMEDY,
    changed_probe,
    family_template,
    has_generation_marks,
)
from swap_assets.backends.models.model_files import (
    Finding,
    ModelFiles,
    files_of_folder,
    files_of_hub,
    is_safetensors,
    pickles,
)
from swap_assets.backends.processes.hardware import Hardware
from swap_assets.domain.experiment.approaches import Approach
from swap_assets.domain.experiment.entries import SmallModel

_GIB = 1024**3
_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
_NF4_BYTES = 0.56  # half a byte and the double-quantised scales of blocks of 64
# Two checkpoints and the adapter, each with the optimiser's two moments, at r 64 on all linear layers of 8B: 4 GB.
_CHECKPOINTS_SHARE = 0.25
# CUDA's context, LoRA's own weights and moments, and one row's activations under checkpointing.
_BESIDE_WEIGHTS_GIB = 2.0


def model_findings(
    key: str, model: SmallModel, approaches: list[Approach], machine: Hardware, environment: Mapping[str, str]
) -> list[Finding]:
    """Look at everything that can be known of a model without loading it; what follows a failed access is left out."""
    access, files = _access(key, model, environment)
    found = [access, *ENGINES[model.engine.kind].findings(key, model.engine, environment)]
    if files:
        found += [
            _format(files),
            *_own_code(model, files),
            *_quantised(files),
            *_licence(files),
            template(files),
            round_trip(files),
            disk(model, files, machine, approaches),
            memory(model, files, machine, approaches),
        ]
    return [finding.model_copy(update={"what": f"{key}: {finding.what}"}) for finding in found]


def _access(key: str, model: SmallModel, environment: Mapping[str, str]) -> tuple[Finding, ModelFiles | None]:
    if model.hub_id:
        return _hub_access(model, environment)
    folder = miniatures.path(model.miniature) if model.miniature else Path(model.path).expanduser()
    missing = f"the folder {model.path} of model '{key}' does not exist; correct models.{key}.path"
    problem = miniatures.problem(model.miniature) if model.miniature else ("" if folder.is_dir() else missing)
    if problem:
        return Finding(what="access", state="fail", detail=problem), None
    detail = f"{folder}, on this machine"
    return Finding(what="access", state="ok", detail=detail), files_of_folder(folder)


def _hub_access(model: SmallModel, environment: Mapping[str, str]) -> tuple[Finding, ModelFiles | None]:
    token = hub_token(environment)
    if model.gated and not token:
        if cached_folder(model.hub_id, model.revision):
            return _from_cache(model, "no token is set")
        detail = (
            f"{model.hub_id} is gated; ask for access on its hub page and set HUGGING_FACE_HUB_TOKEN to a token of "
            "that account"
        )
        return Finding(what="access", state="fail", detail=detail), None
    try:
        found = look_up(model.hub_id, model.revision, token=token)
    except HubRefusalError as refusal:
        return Finding(what="access", state="fail", detail=str(refusal)), None
    except HubSilentError as silence:
        return _from_cache(model, str(silence))
    detail = f"{model.hub_id} at {found.commit[:12] or model.revision}, {len(found.files)} files"
    return Finding(what="access", state="ok", detail=detail), files_of_hub(found, token=token)


def _from_cache(model: SmallModel, why: str) -> tuple[Finding, ModelFiles | None]:
    cached = cached_folder(model.hub_id, model.revision)
    if cached is None:
        detail = f"{why}, and {model.hub_id} is not in the hub's cache on this machine; download it where there is one"
        return Finding(what="access", state="fail", detail=detail), None
    detail = f"{why}; {model.hub_id} is taken from the hub's cache as it is"
    return Finding(what="access", state="warn", detail=detail), files_of_folder(cached, named=model.hub_id)


def _format(files: ModelFiles) -> Finding:
    names = [name for name in files.sizes if "/" not in name]
    if any(map(is_safetensors, names)):
        return Finding(what="weights", state="ok", detail="safetensors")
    if found := pickles(names):
        detail = (
            f"{files.named} has only pickled weights ({found[0]}), which can run code when they are read; name a "
            "repository with safetensors"
        )
        return Finding(what="weights", state="fail", detail=detail)
    detail = f"{files.named} has no safetensors weights; name the repository of the model itself"
    return Finding(what="weights", state="fail", detail=detail)


def _own_code(model: SmallModel, files: ModelFiles) -> list[Finding]:
    if model.trust_remote_code:
        detail = "code of the repository will run, because its entry says trust_remote_code: true; pin its revision"
        return [Finding(what="own code", state="warn", detail=detail)]
    config = _config(files)
    if not config.get("auto_map"):
        return []
    from transformers import CONFIG_MAPPING

    if config.get("model_type") in CONFIG_MAPPING:
        return [Finding(what="own code", state="ok", detail="the repository's is left aside; transformers has its own")]
    detail = "it runs only with code of its own: set trust_remote_code: true in its entry if you trust it"
    return [Finding(what="own code", state="fail", detail=detail)]


def _quantised(files: ModelFiles) -> list[Finding]:
    stored = _config(files).get("quantization_config")
    if not stored:
        return []
    method = stored.get("quant_method", "quantised") if isinstance(stored, dict) else "quantised"
    detail = f"stored quantised ({method}): it can be asked, but merged_model refuses it; name its 16-bit original"
    return [Finding(what="stored as", state="warn", detail=detail)]


def _licence(files: ModelFiles) -> list[Finding]:
    """Name the licence that the model's own card states; fetching the card here lets what is made of it name it too."""
    from huggingface_hub import ModelCard

    path = files.read("README.md")
    data = ModelCard(path.read_text(encoding="utf-8"), ignore_metadata_errors=True).data if path else {}
    stated = data.get("license_name") or data.get("license")
    return [Finding(what="licence", state="ok", detail=f"{stated}, by its card")] if stated else []


def _config(files: ModelFiles) -> dict:
    path = files.read("config.json")
    return json.loads(path.read_text(encoding="utf-8")) if path else {}


def round_trip(files: ModelFiles) -> Finding:
    """Check the tokenizer file of a model."""
    from tokenizers import Tokenizer

    path = files.read("tokenizer.json")
    if path is None:
        return Finding(what="tokenizer", state="warn", detail="it has no tokenizer.json; checked when it is loaded")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more exact
        return Finding(what="tokenizer", state="fail", detail=f"{path} cannot be read ({error}); fetch it again")
    changed = changed_probe(
        lambda text: tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=True)
    )
    if changed:
        return Finding(what="tokenizer", state="fail", detail=f"it changes answers: {changed}; {REMEDY}")
    return Finding(what="tokenizer", state="ok", detail=f"{len(PROBES)} answers come back letter by letter")


def template(files: ModelFiles) -> Finding:
    """Check that the chat template marks what the assistant says, or that its family has one that does."""
    text = _template_text(files)
    if text and has_generation_marks(text):
        return Finding(what="template", state="ok", detail="its own marks the assistant's text")
    if text and family_template(text):
        return Finding(what="template", state="ok", detail="its family's marked template takes its place")
    if text:
        detail = "no mark of the assistant's text and no known family: training refuses unless trl knows it exactly"
        return Finding(what="template", state="warn", detail=f"{detail}; add {{% generation %}} to it")
    detail = "it has no chat template, so it cannot be asked as an assistant; name its instruct version"
    return Finding(what="template", state="fail", detail=detail)


def _template_text(files: ModelFiles) -> str:
    if path := files.read("chat_template.jinja"):
        return path.read_text(encoding="utf-8")
    for name in ("tokenizer_config.json", "chat_template.json"):
        if path := files.read(name):
            found = json.loads(path.read_text(encoding="utf-8")).get("chat_template") or ""
            if isinstance(found, list):  # named templates, as some tokenizers have them
                found = next((item["template"] for item in found if item.get("name") == "default"), "")
            if found:
                return str(found)
    return ""


class Parameters(NamedTuple):
    """How many parameters a model has, and where the number comes from."""

    number: float
    basis: str


def parameters(model: SmallModel, files: ModelFiles) -> Parameters:
    """Return a model's parameters: by the size of its weights and their stored type, else as its entry says."""
    if files.weights:
        path = files.read("config.json")
        config = json.loads(path.read_text(encoding="utf-8")) if path else {}
        stored = str(config.get("dtype") or config.get("torch_dtype") or "bfloat16")
        return Parameters(files.weights / _BYTES.get(stored, 2.0), f"{files.weights / _GIB:.2f} GiB of {stored}")
    return Parameters(model.parameters_billion * 1e9, "parameters_billion")


def disk(model: SmallModel, files: ModelFiles, machine: Hardware, approaches: list[Approach]) -> Finding:
    """Compare what is to be downloaded, checkpointed and merged with the free space."""
    copy = parameters(model, files).number * _BYTES[model.dtype] / _GIB
    merged = copy * max((len(approach.adapters) for approach in approaches), default=1)
    download, checkpoints = files.missing / _GIB, copy * _CHECKPOINTS_SHARE
    total = download + checkpoints + merged
    made_of = (
        f"download {download:.1f}, checkpoints about {checkpoints:.1f}, merged model {merged:.1f} GiB; "
        f"{machine.disk_free_gib} GiB are free"
    )
    if machine.disk_free_gib is None:
        return Finding(what="disk", state="warn", detail=f"{made_of}: the free space could not be read")
    if download + checkpoints > machine.disk_free_gib:
        advice = "free some, or set HF_HOME and the experiment's storage to a larger disk"
        return Finding(what="disk", state="fail", detail=f"{made_of}: {advice}")
    if total > machine.disk_free_gib:
        return Finding(what="disk", state="warn", detail=f"{made_of}: enough to train, not enough to merge")
    return Finding(what="disk", state="ok", detail=made_of)


def memory(model: SmallModel, files: ModelFiles, machine: Hardware, approaches: list[Approach]) -> Finding:
    """Compare the least that answering and training need with the largest card, or the machine where there is none."""
    size, basis = parameters(model, files)
    card = max(machine.gpus, key=lambda gpu: gpu.memory_gib, default=None)
    have, where = (card.memory_gib, card.name) if card else (machine.memory_gib, "this machine's memory")
    answering = size * _BYTES[model.dtype] / _GIB
    training = max((_trained_weights(size, model, approach) for approach in approaches), default=answering)
    least = training + (_BESIDE_WEIGHTS_GIB if size > 1e9 else 0.0)
    made_of = (
        f"{size / 1e9:.3g} billion parameters ({basis}): answering {answering:.1f} GiB, training at least "
        f"{least:.1f} GiB; {where} has {have} GiB"
    )
    if not size or have is None:
        return Finding(what="memory", state="warn", detail="unknown; give the entry its parameters_billion")
    if answering > have:
        return Finding(what="memory", state="fail", detail=f"{made_of}: take a smaller model or a larger card")
    if least > have:
        return Finding(what="memory", state="fail", detail=f"{made_of}: set quantisation: nf4, or take a larger card")
    return Finding(what="memory", state="ok", detail=made_of)


def _trained_weights(size: float, model: SmallModel, approach: Approach) -> float:
    return size * (_NF4_BYTES if approach.training.quantisation == "nf4" else _BYTES[model.dtype]) / _GIB
