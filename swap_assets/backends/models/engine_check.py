"""The server that answers for a model, where its entry names one."""

import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping

from swap_assets.backends.models.findings import Finding
from swap_assets.domain.experiment.engines import VllmServer
from swap_assets.domain.experiment.entries import SmallModel

_WITHIN_S = 5.0


def vllm(key: str, model: SmallModel, environment: Mapping[str, str]) -> list[Finding]:
    """Say whether a model's vLLM server can be started or reached; nothing where it has none."""
    entry = model.engine
    if not isinstance(entry, VllmServer):
        return []
    if entry.command:
        found = shutil.which(entry.command[0])
        missing = f"{entry.command[0]} is not there: install vLLM in an environment of its own and give models.{key}."
        return [
            Finding(what="vLLM", state="ok" if found else "fail", detail=found or missing + "vllm.command its path")
        ]
    if entry.key_env and not environment.get(entry.key_env):
        return [Finding(what="vLLM", state="fail", detail=f"its server needs {entry.key_env}: set it in .env")]
    root = entry.base_url.rstrip("/").removesuffix("/v1")
    try:
        urllib.request.urlopen(f"{root}/health", timeout=_WITHIN_S).close()
    except (urllib.error.URLError, OSError, ValueError):
        # Training needs no server, so it is not held up.
        detail = f"{root} does not answer; start it before this model is evaluated"
        return [Finding(what="vLLM", state="warn", detail=detail)]
    return [Finding(what="vLLM", state="ok", detail=f"{root} answers")]
