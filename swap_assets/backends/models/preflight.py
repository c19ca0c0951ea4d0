"""What must be there before anything expensive runs: keys, tokens, models, source files, disk.

Each check is one sentence that says what to do; a key's value is never read further than "is it set".
"""

import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from swap_assets.backends.datasets.loading import SourceError, local_paths, try_splits, without_download
from swap_assets.backends.hosted.clients import access_problem, ask_one_question, missing_variables
from swap_assets.backends.hub.access import endpoint
from swap_assets.backends.models.provenance import Finding, State, miniature_problem
from swap_assets.backends.models.readiness import model_findings
from swap_assets.backends.models.shown_rows import row_findings
from swap_assets.backends.processes.hardware import Hardware, hardware
from swap_assets.backends.store.experiment_file import storage_root
from swap_assets.domain.experiment.entries import HostedModel
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.sources import HubSource, LocalSource, Source, hub_datasets
from swap_assets.domain.model import Conversation
from swap_assets.domain.splits.scale_split import TooFewRowsError

_KEYS = (
    "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "HUGGING_FACE_HUB_TOKEN", "LANGFUSE_PUBLIC_KEY",
    "LANGFUSE_SECRET_KEY",
)  # fmt: skip
_LEAST_DISK_GIB = 1.0  # for records and reports; what each model takes is looked at beside it


class PreflightError(RuntimeError):
    """Something that a step needs is not there; the message says what to do."""


def require_hosted(model: HostedModel, environment: Mapping[str, str] = os.environ) -> None:
    """Make sure that the hosted model can be asked; PreflightError where it cannot, as `hosted_problem` says."""
    if problem := hosted_problem(model, environment):
        raise PreflightError(problem)


def require_model(key: str, experiment: Experiment, environment: Mapping[str, str] = os.environ) -> None:
    """Make sure that a small model can be had, fits, and can be talked to; PreflightError by the first failed check."""
    for finding in model_findings(key, experiment, hardware(storage_root(experiment)), environment):
        if finding.state == "fail":
            raise PreflightError(f"{finding.what}: {finding.detail}")


def hosted_problem(model: HostedModel, environment: Mapping[str, str]) -> str:
    """Return why the hosted model can't be asked, an empty text where it can."""
    if model.provider == "stand-in":
        return miniature_problem(model.model)
    if unset := missing_variables(model, environment):
        return f"the hosted model '{model.key}' needs {' and '.join(unset)}; set it in .env or export it"
    return access_problem(model, environment)


def examine(experiment: Experiment, file: Path, environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """Look at everything the experiment needs on this machine, and ask the hosted model one question."""
    machine, version = hardware(storage_root(experiment)), ".".join(map(str, sys.version_info[:3]))
    hub_state, hub = _hub(experiment)  # first: a hub that is silent would be waited for again with every model
    silent = hub if hub_state == "fail" else ""
    splits, conversations = _splits(experiment)
    memory = f"{machine.memory_gib} GiB, {machine.memory_free_gib} GiB free, {machine.cpus} processors"
    return [
        Finding("Python", "ok" if sys.version_info >= (3, 11) else "fail", version),
        Finding("experiment file", "ok", f"{file} ('{experiment.name}')"),
        *[Finding("source", *_source(source)) for source in experiment.all_sources],
        *splits,
        Finding("disk", *_disk(machine.disk_free_gib)),
        Finding("memory", "ok" if machine.memory_gib else "warn", memory),
        Finding("GPU", *_gpus(experiment, machine)),
        Finding(f"hosted model {experiment.hosted_model.key}", *_hosted(experiment.hosted_model, environment)),
        *[
            finding for key in experiment.models
            for finding in _of_model(key, experiment, machine, environment, silent, conversations)
        ],
        *[Finding(name, "ok", "set" if environment.get(name) else "not set") for name in _KEYS],
        Finding("hub", hub_state, hub),
        *[Finding(what, *_port(port)) for port, what in ((3000, "web server"), (5000, "MLflow"))],
    ]  # fmt: skip


def _source(source: Source) -> tuple[State, str]:
    if isinstance(source, LocalSource):
        try:
            return "ok", ", ".join(map(str, local_paths(source)))
        except SourceError as error:
            return "fail", str(error)
    if isinstance(source, HubSource):
        return "ok", f"{source.dataset} at {source.revision[:12]} from the hub"
    return "ok", "the built-in generator"


def _of_model(
    key: str, experiment: Experiment, machine: Hardware, environment: Mapping[str, str], silent: str,
    conversations: Sequence[Conversation],
) -> list[Finding]:  # fmt: skip
    found = model_findings(key, experiment, machine, environment, hub_silent=silent)
    if not conversations or any(finding.state == "fail" for finding in found):
        return found
    return [*found, *row_findings(key, experiment, conversations)]


def _splits(experiment: Experiment) -> tuple[list[Finding], Sequence[Conversation]]:
    """Split for each scale where that takes no download, and say what training would cut; with the rows."""
    if not without_download(experiment.all_sources):
        return [], ()
    try:
        loaded, splits = try_splits(experiment)
    except SourceError:
        return [], ()  # said of the source
    except TooFewRowsError as error:
        return [Finding("splits", "fail", str(error))], ()
    told = [
        Finding(f"split {scale}", "warn" if split.cut or split.short else "ok",
                "; ".join((split.told_of_cut, *split.short)))
        for scale, split in splits.items()
    ]  # fmt: skip
    return told, loaded.conversations


def _disk(free: float | None) -> tuple[State, str]:
    if free is None:
        return "warn", "the free space could not be read"
    return "ok" if free >= _LEAST_DISK_GIB else "fail", f"{free:.0f} GiB free where the experiment's folder lies"


def _hosted(model: HostedModel, environment: Mapping[str, str]) -> tuple[State, str]:
    if problem := hosted_problem(model, environment):
        return "fail", problem
    if model.provider == "stand-in":
        return "ok", "a miniature on this machine, which is not asked here"
    answered, told = ask_one_question(model)
    return "ok" if answered else "fail", told


def _gpus(experiment: Experiment, machine: Hardware) -> tuple[State, str]:
    """Say which cards there are, and how many of them the experiment lets work at the same time."""
    real = {key: model.gpus for key, model in experiment.models.items() if not model.miniature}
    if not real or not machine.gpus:
        return ("warn", f"none; {min(real)} would take days without one") if real else (
            "ok", "not needed: miniatures run on the processor"
        )  # fmt: skip
    cards = "; ".join(f"{gpu.name}, {gpu.memory_gib} GiB" for gpu in machine.gpus)
    there, at_once, (key, most) = len(machine.gpus), experiment.cards_at_once, max(real.items(), key=lambda one: one[1])
    if most > there:
        return "fail", f"{cards}: {there} of the {most} that models.{key}.gpus asks for; lower it, or add cards"
    told = f"{cards}: {min(at_once, there)} of {there} will work at once"
    if at_once < there:
        return "warn", f"{told}; set model_processes: {there // most}, or gpus in the models' entries, to use more"
    waits = f"; processes for {at_once} will take turns" if at_once > there else ""
    return "ok", f"{told} (gpus x model_processes){waits}"


def _hub(experiment: Experiment) -> tuple[State, str]:
    wanted = bool(hub_datasets(experiment.all_sources)) or any(model.hub_id for model in experiment.models.values())
    try:
        urllib.request.urlopen(endpoint(), timeout=5).close()
    except (OSError, urllib.error.URLError):
        silent = f"{endpoint()} does not answer"
        return ("fail", silent) if wanted else ("ok", f"{silent}; this experiment does not need it")
    return "ok", f"{endpoint()} answers"


def _port(port: int) -> tuple[State, str]:
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    if taken:
        return "warn", f"port {port} is taken; choose another one with --port"
    return "ok", f"port {port} is free"
