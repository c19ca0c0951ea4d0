"""All checks of one small model, in the order in which they would stop it.

A miniature and a local folder need no network and ask for none. What disk and memory need are estimates, each with
what it is made of.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from swap_assets.backends.engines import ENGINES
from swap_assets.backends.hub.access import HubRefusalError, HubSilentError, cached_folder, hub_token, look_up
from swap_assets.backends.models import chat_template, local_model, provenance
from swap_assets.backends.models.provenance import Finding, ModelFiles, State
from swap_assets.backends.processes.hardware import Hardware
from swap_assets.domain.experiment.entries import SmallModel
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.recipes import Approach

_GIB = 1024**3
_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
_NF4_BYTES = 0.56  # half a byte and the double-quantised scales of blocks of 64
# Two checkpoints and the adapter, each with the optimiser's two moments, at r 64 on all linear layers of 8B: 4 GB.
_CHECKPOINTS_SHARE = 0.25
# CUDA's context, LoRA's own weights and moments, and one row's activations under checkpointing.
_BESIDE_WEIGHTS_GIB = 2.0


class _Look(NamedTuple):
    model: SmallModel
    files: ModelFiles
    machine: Hardware
    approaches: list[Approach]


# What a check found, and its one sentence; None where there is nothing to say.
_Found = tuple[State, str] | None


def model_findings(
    key: str, experiment: Experiment, machine: Hardware, environment: Mapping[str, str], *, hub_silent: str = ""
) -> list[Finding]:
    """Look at everything that can be known of a model without loading it; what follows a failed access is left out.

    A hub that is known to be silent (`hub_silent` says how) is not waited for.
    """
    model = experiment.small_model(key)
    state, detail, files = _access(key, model, environment, hub_silent)
    found = [Finding("access", state, detail), *ENGINES[model.engine.kind].findings(key, model.engine, environment)]
    if files:
        approaches = [experiment.approach_for(name, model=key) for name in experiment.approaches]
        look = _Look(model, files, machine, approaches)
        found += [Finding(what, *one) for what, check in _CHECKS.items() if (one := check(look))]
    return [finding._replace(what=f"{key}: {finding.what}") for finding in found]


def _access(
    key: str, model: SmallModel, environment: Mapping[str, str], hub_silent: str
) -> tuple[State, str, ModelFiles | None]:
    if model.hub_id:
        return _hub_access(model, environment, hub_silent)
    folder = provenance.miniature_folder(model.miniature) if model.miniature else Path(model.path).expanduser()
    missing = f"the folder {model.path} of model '{key}' does not exist; correct models.{key}.path"
    problem = provenance.miniature_problem(model.miniature) if model.miniature else ("" if folder.is_dir() else missing)
    return (
        ("fail", problem, None) if problem else ("ok", f"{folder}, on this machine", provenance.files_of_folder(folder))
    )


def _hub_access(
    model: SmallModel, environment: Mapping[str, str], hub_silent: str
) -> tuple[State, str, ModelFiles | None]:
    token = hub_token(environment)
    if model.gated and not token:
        if cached_folder(model.hub_id, model.revision):
            return _from_cache(model, "no token is set")
        advice = "ask for access on its hub page and set HUGGING_FACE_HUB_TOKEN to a token of that account"
        return "fail", f"{model.hub_id} is gated; {advice}", None
    if hub_silent:
        return _from_cache(model, hub_silent)
    try:
        found = look_up(model.hub_id, model.revision, token=token)
    except HubRefusalError as refusal:
        return "fail", str(refusal), None
    except HubSilentError as silence:
        return _from_cache(model, str(silence))
    detail = f"{model.hub_id} at {found.commit[:12] or model.revision}, {len(found.files)} files"
    return "ok", detail, provenance.files_of_hub(found, token=token)


def _from_cache(model: SmallModel, why: str) -> tuple[State, str, ModelFiles | None]:
    if cached := cached_folder(model.hub_id, model.revision):
        detail = f"{why}; {model.hub_id} is taken from the hub's cache as it is"
        return "warn", detail, provenance.files_of_folder(cached, named=model.hub_id)
    detail = f"{why}, and {model.hub_id} is not in the hub's cache on this machine; download it where there is one"
    return "fail", detail, None


def _format(look: _Look) -> _Found:
    names = [name for name in look.files.sizes if "/" not in name]
    if any(map(provenance.is_safetensors, names)):
        return "ok", "safetensors"
    if found := provenance.pickles(names):
        advice = "which can run code when they are read; name a repository with safetensors"
        return "fail", f"{look.files.named} has only pickled weights ({found[0]}), {advice}"
    return "fail", f"{look.files.named} has no safetensors weights; name the repository of the model itself"


def _own_code(look: _Look) -> _Found:
    if look.model.trust_remote_code:
        why = "because its entry says trust_remote_code: true; pin its revision"
        return "warn", f"code of the repository will run, {why}"
    config = look.files.json("config.json")
    if not config.get("auto_map"):
        return None
    from transformers import CONFIG_MAPPING

    if config.get("model_type") in CONFIG_MAPPING:
        return "ok", "the repository's is left aside; transformers has its own"
    return "fail", "it runs only with code of its own: set trust_remote_code: true in its entry if you trust it"


def _quantised(look: _Look) -> _Found:
    stored = look.files.json("config.json").get("quantization_config")
    if not stored:
        return None
    method = stored.get("quant_method", "quantised") if isinstance(stored, dict) else "quantised"
    advice = "it can be asked, but merged_model refuses it; name its 16-bit original"
    return "warn", f"stored quantised ({method}): {advice}"


def _licence(look: _Look) -> _Found:
    """Name the licence that the model's own card states; fetching the card here lets what is made of it name it too."""
    from huggingface_hub import ModelCard

    path = look.files.read("README.md")
    data = ModelCard(path.read_text(encoding="utf-8"), ignore_metadata_errors=True).data if path else {}
    stated = data.get("license_name") or data.get("license")
    return ("ok", f"{stated}, by its card") if stated else None


def _round_trip(look: _Look) -> _Found:
    from tokenizers import Tokenizer

    path = look.files.read("tokenizer.json")
    if path is None:
        return "warn", "it has no tokenizer.json; checked when it is loaded"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more exact
        return "fail", f"{path} cannot be read ({error}); fetch it again"
    changed = local_model.changed_probe(
        lambda text: tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=True)
    )
    if changed:
        return "fail", f"it changes answers: {changed}; {local_model.REMEDY}"
    return "ok", f"{len(local_model.PROBES)} answers come back letter by letter"


def _template(look: _Look) -> _Found:
    """Fit the chat template as training and answering do, and say what it lacked."""
    if look.model.miniature:  # to render takes transformers, whose import takes 3 s in every step of the demo
        return "ok", "the package's own"
    special = {name: _plain(value) for name, value in look.files.json("tokenizer_config.json").items()
               if name.endswith("_token") and isinstance(_plain(value), str)}  # fmt: skip
    try:
        given = chat_template.fitted(_template_text(look.files), special, name=look.files.named).given
    except chat_template.TemplateError as error:
        return "fail", str(error)
    return "ok", f"it is given {'; '.join(given)}" if given else "as it is published"


def _plain(value: Any) -> Any:
    return value.get("content") if isinstance(value, dict) else value


def _template_text(files: ModelFiles) -> str:
    if path := files.read("chat_template.jinja"):
        return path.read_text(encoding="utf-8")
    for name in ("tokenizer_config.json", "chat_template.json"):
        found = files.json(name).get("chat_template") or ""
        if isinstance(found, list):  # named templates, as some tokenizers have them
            found = next((item["template"] for item in found if item.get("name") == "default"), "")
        if found:
            return str(found)
    return ""


def _parameters(look: _Look) -> tuple[float, str]:
    """Return a model's parameters by the size of its weights and their stored type, else as its entry says; and why."""
    if not (weights := look.files.weights):
        return look.model.parameters_billion * 1e9, "parameters_billion"
    config = look.files.json("config.json")
    stored = str(config.get("dtype") or config.get("torch_dtype") or "bfloat16")
    return weights / _BYTES.get(stored, 2.0), f"{weights / _GIB:.2f} GiB of {stored}"


def _disk(look: _Look) -> _Found:
    """Compare what is to be downloaded, checkpointed and merged with the free space."""
    copy, free = _parameters(look)[0] * _BYTES[look.model.dtype] / _GIB, look.machine.disk_free_gib
    merged = copy * max((len(approach.adapters) for approach in look.approaches), default=1)
    download, checkpoints = look.files.missing / _GIB, copy * _CHECKPOINTS_SHARE
    made_of = f"download {download:.1f}, checkpoints about {checkpoints:.1f}, merged model {merged:.1f} GiB"
    made_of += f"; {free} GiB are free"
    if free is None:
        return "warn", f"{made_of}: the free space could not be read"
    if download + checkpoints > free:
        return "fail", f"{made_of}: free some, or set HF_HOME and the experiment's storage to a larger disk"
    if download + checkpoints + merged > free:
        return "warn", f"{made_of}: enough to train, not enough to merge"
    return "ok", made_of


def _memory(look: _Look) -> _Found:
    """Compare the least that answering and training need with the largest card, or the machine where there is none."""
    size, basis = _parameters(look)
    card = max(look.machine.gpus, key=lambda gpu: gpu.memory_gib, default=None)
    have, where = (card.memory_gib, card.name) if card else (look.machine.memory_gib, "this machine's memory")
    bytes_each = _BYTES[look.model.dtype]
    trained = [_NF4_BYTES if one.training.quantisation == "nf4" else bytes_each for one in look.approaches]
    answering = size * bytes_each / _GIB
    least = size * max(trained, default=bytes_each) / _GIB + (_BESIDE_WEIGHTS_GIB if size > 1e9 else 0.0)
    made_of = (
        f"{size / 1e9:.3g} billion parameters ({basis}): answering {answering:.1f} GiB, training at least "
        f"{least:.1f} GiB; {where} has {have} GiB"
    )
    if not size or have is None:
        return "warn", "unknown; give the entry its parameters_billion"
    if answering > have:
        return "fail", f"{made_of}: take a smaller model or a larger card"
    return ("fail", f"{made_of}: set quantisation: nf4, or take a larger card") if least > have else ("ok", made_of)


_CHECKS: dict[str, Callable[[_Look], _Found]] = {
    "weights": _format, "own code": _own_code, "stored as": _quantised, "licence": _licence, "template": _template,
    "tokenizer": _round_trip, "disk": _disk, "memory": _memory,
}  # fmt: skip
