"""All checks of one small model, in the order in which they would stop it.

A miniature and a local folder need no network and ask for none.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from swap_assets.backends.engines import ENGINES
from swap_assets.backends.hub.model_access import HubRefusalError, HubSilentError, cached_folder, hub_token, look_up
from swap_assets.backends.models import markup, miniatures, room
from swap_assets.backends.models.files import ModelFiles, files_of_folder, files_of_hub
from swap_assets.backends.models.findings import Finding
from swap_assets.backends.models.weight_files import is_safetensors, pickles
from swap_assets.backends.processes.hardware import Hardware
from swap_assets.domain.experiment.approaches import Approach
from swap_assets.domain.experiment.entries import SmallModel


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
            markup.template(files),
            markup.round_trip(files),
            room.disk(model, files, machine, approaches),
            room.memory(model, files, machine, approaches),
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
