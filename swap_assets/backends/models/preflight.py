"""What must be there before anything expensive runs: keys, tokens, models, source files, disk.

Each check is one sentence that says what to do; a key's value is never read further than "is it set".
"""

import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from swap_assets.backends.datasets.loading import SourceError, local_paths
from swap_assets.backends.hosted.clients import access_problem, missing_variables
from swap_assets.backends.hub.access import endpoint
from swap_assets.backends.models import miniatures
from swap_assets.backends.models.checks import model_findings
from swap_assets.backends.models.model_files import Finding
from swap_assets.backends.processes.hardware import Hardware, hardware
from swap_assets.backends.store.experiment_file import storage_root
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.sources import HubSource, LocalSource

HUB_TOKEN = "HUGGING_FACE_HUB_TOKEN"
_LEAST_DISK_GIB = 1.0  # for records and reports; what each model takes is looked at beside it


class PreflightError(RuntimeError):
    """Something that a step needs is not there; the message says what to do."""


def require_hosted(model: HostedModel, environment: Mapping[str, str] = os.environ) -> None:
    """Make sure that the hosted model can be asked.

    Raises:
        PreflightError: a variable that it needs is not set, or its miniature does not exist.
    """
    if problem := hosted_problem(model, environment):
        raise PreflightError(problem)


def require_model(key: str, experiment: Experiment, environment: Mapping[str, str] = os.environ) -> None:
    """Make sure that a small model can be had, fits, and can be talked to, before it is downloaded or loaded.

    Raises:
        PreflightError: the first check that fails.
    """
    for finding in look_at_model(key, experiment, hardware(storage_root(experiment)), environment):
        if finding.state == "fail":
            raise PreflightError(f"{finding.what}: {finding.detail}")


def look_at_model(key: str, experiment: Experiment, machine: Hardware, environment: Mapping[str, str]) -> list[Finding]:
    """Check one small model of an experiment; see `model_checks`."""
    approaches = [experiment.approach_for(name, model=key) for name in experiment.approaches]
    return model_findings(key, experiment.small_model(key), approaches, machine, environment)


def hosted_problem(model: HostedModel, environment: Mapping[str, str]) -> str:
    """Return why the hosted model can't be asked, an empty text where it can."""
    if model.provider == "stand-in":
        return miniatures.problem(model.model)
    if unset := missing_variables(model, environment):
        return f"the hosted model '{model.key}' needs {' and '.join(unset)}; set it in .env and source that file"
    return access_problem(model, environment)


def examine(experiment: Experiment, file: Path, environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """Look at everything the experiment needs on this machine."""
    machine = hardware(storage_root(experiment))
    return [
        _python(),
        Finding(what="experiment file", state="ok", detail=f"{file} ('{experiment.name}')"),
        _source(experiment),
        _disk(machine),
        _memory(machine),
        _gpus(experiment, machine),
        _problem(f"hosted model {experiment.hosted_model.key}", hosted_problem(experiment.hosted_model, environment)),
        *[finding for key in experiment.models for finding in look_at_model(key, experiment, machine, environment)],
        *_keys(environment),
        _hub(experiment),
        *[_port(port, what) for port, what in ((3000, "web server"), (5000, "MLflow"))],
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(what="Python", state="ok" if sys.version_info >= (3, 11) else "fail", detail=version)


def _source(experiment: Experiment) -> Finding:
    source = experiment.source
    if isinstance(source, LocalSource):
        try:
            return Finding(what="source", state="ok", detail=", ".join(map(str, local_paths(source))))
        except SourceError as error:
            return Finding(what="source", state="fail", detail=str(error))
    if isinstance(source, HubSource):
        return Finding(what="source", state="ok", detail=f"{source.dataset} at {source.revision[:12]} from the hub")
    return Finding(what="source", state="ok", detail="the built-in generator")


def _disk(machine: Hardware) -> Finding:
    free = machine.disk_free_gib
    if free is None:
        return Finding(what="disk", state="warn", detail="the free space could not be read")
    state = "ok" if free >= _LEAST_DISK_GIB else "fail"
    return Finding(what="disk", state=state, detail=f"{free:.0f} GiB free where the experiment's folder lies")


def _memory(machine: Hardware) -> Finding:
    detail = f"{machine.memory_gib} GiB, {machine.memory_free_gib} GiB free, {machine.cpus} processors"
    return Finding(what="memory", state="ok" if machine.memory_gib else "warn", detail=detail)


def _gpus(experiment: Experiment, machine: Hardware) -> Finding:
    if machine.gpus:
        return Finding(
            what="GPU", state="ok", detail="; ".join(f"{gpu.name}, {gpu.memory_gib} GiB" for gpu in machine.gpus)
        )
    real = [key for key, model in experiment.models.items() if not model.miniature]
    detail = "none; miniatures run on the processor" if not real else f"none; {real[0]} would take days without one"
    return Finding(what="GPU", state="warn" if real else "ok", detail=detail)


def _problem(what: str, problem: str) -> Finding:
    return Finding(what=what, state="fail" if problem else "ok", detail=problem or "nothing speaks against it")


def _keys(environment: Mapping[str, str]) -> list[Finding]:
    names = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", HUB_TOKEN, "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY")
    return [Finding(what=name, state="ok", detail="set" if environment.get(name) else "not set") for name in names]


def _hub(experiment: Experiment) -> Finding:
    wanted = isinstance(experiment.source, HubSource) or any(model.hub_id for model in experiment.models.values())
    try:
        urllib.request.urlopen(endpoint(), timeout=5).close()
    except (OSError, urllib.error.URLError):
        detail = f"{endpoint()} does not answer" + ("" if wanted else "; this experiment does not need it")
        return Finding(what="hub", state="fail" if wanted else "ok", detail=detail)
    return Finding(what="hub", state="ok", detail=f"{endpoint()} answers")


def _port(port: int, what: str) -> Finding:
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    detail = f"port {port} is taken; choose another one with --port" if taken else f"port {port} is free"
    return Finding(what=what, state="warn" if taken else "ok", detail=detail)
