"""The process that loads a model: `python -m swap_assets.backends.processes.worker SPEC.json [SPEC.json ...]`.

Reads each spec, does the work, writes `result.json` beside the spec; several specs share the seconds that the
libraries take to load. Started by Dagster it also speaks Pipes: progress lines and the result's numbers. Started by
hand it needs neither Dagster nor the rest of the experiment.
"""

import contextlib
import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from swap_assets.backends.processes import supervision
from swap_assets.backends.processes.gpu_leases import leased
from swap_assets.backends.processes.locks import alone_in
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.specs import (
    RESULT_FILE,
    GenerateSpec,
    MergeSpec,
    ServeSpec,
    Spec,
    TrainSpec,
    WorkerResult,
    read_spec,
)
from swap_assets.backends.store.whole import full_disk, write_json

USAGE = "usage: python -m swap_assets.backends.processes.worker SPEC.json [SPEC.json ...]"


def main(arguments: list[str]) -> int:
    """Run the specs that the arguments name, one after the other; return the exit code."""
    if not arguments:
        print(USAGE, file=sys.stderr)
        return 2
    if supervision.is_launched():
        supervision.die_with_parent(os.getppid())  # the launcher, of whom the variable knows nothing
    elif parent := os.environ.get(supervision.PARENT_VARIABLE):
        supervision.die_with_parent(int(parent))
    # Unlike the signal's default, the exception of an interrupt lets open files and tracked runs be closed. A shell's
    # background commands ignore SIGINT.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        specs = {Path(argument): read_spec(Path(argument)) for argument in arguments}
        _prepare_environment(list(specs.values()))
        # Started by `run_workers`, that has seen to it.
        folders = [] if supervision.PARENT_VARIABLE in os.environ else [path.parent for path in specs]
        with _reporter() as reporter, alone_in(folders, reporter.line), _cards(list(specs.values()), reporter) as cards:
            os.environ.update(cards)  # before torch is loaded: it looks at the cards once
            for path, spec in specs.items():
                _run(spec, path, reporter)
    except supervision.LaunchError as error:
        print(error, file=sys.stderr)  # without a traceback, which would push the process's own error out of sight
        return 1
    except KeyboardInterrupt:
        print("stopped by an interrupt", file=sys.stderr)
        return 130
    except Exception as error:
        traceback.print_exc()
        # A sentence of our own, as of a checkpoint, says more.
        full = "" if "make room" in str(error) else full_disk(error, Path(arguments[-1]).parent)
        print(f"{type(error).__name__}: {full or error}", file=sys.stderr)
        return 1
    return 0


def _prepare_environment(specs: list[Spec]) -> None:
    """Set what libraries read when they are loaded, where the caller's environment does not say otherwise."""
    # Threads that wait by spinning made a model 30 times slower on busy cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if all(Path(spec.weights.source).is_dir() for spec in specs):
        # A local folder needs no look-up at the hub, and one stalls 24 s without network.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        if not any(is_quantised(spec) for spec in specs):
            # peft imports it wherever it is installed: 2 to 4 s of processor time each, for such weights alone.
            sys.modules.setdefault("bitsandbytes", None)  # type: ignore[arg-type]


def is_quantised(spec: Spec) -> bool:
    """Say whether a spec's model is loaded in fewer bits: by its recipe, or as its folder has stored it."""
    config = Path(spec.weights.source) / "config.json"
    stored = config.is_file() and "quantization_config" in config.read_text(encoding="utf-8")
    return stored or (isinstance(spec, TrainSpec) and spec.training.quantisation != "none")


@contextlib.contextmanager
def _cards(specs: list[Spec], reporter: Reporter) -> Iterator[dict[str, str]]:
    """Lease the cards that the specs share; a stand-in plays a hosted model, which takes none from those who train."""
    working = [spec for spec in specs if not isinstance(spec, ServeSpec)]
    what = f"{working[0].kind} {working[0].candidate_id}" if working else "the stand-in"
    wanted = max((cards_of(spec) for spec in working), default=0)
    with leased(wanted, what=what, say=reporter.line) as lease:
        if lease.cards:
            reporter.line(f"runs on {', '.join(lease.cards)}")
        yield lease.environment


def cards_of(spec: Spec) -> int:
    """Return how many cards a spec works on in this process and those that it starts."""
    if isinstance(spec, GenerateSpec):
        return spec.engine.leased_cards
    return spec.processes if isinstance(spec, TrainSpec) else 1


def _run(spec: Spec, path: Path, reporter: Reporter) -> None:
    if isinstance(spec, TrainSpec) and spec.processes > 1 and not supervision.is_launched():
        reporter.line(f"{spec.processes} processes share the rows of each step")
        supervision.launch(path, processes=spec.processes)
        return
    (path.parent / RESULT_FILE).unlink(missing_ok=True)
    result = perform(spec, folder=path.parent, reporter=reporter)
    # Of several processes (`accelerate launch`) the first one answers for all.
    if result is None or not supervision.is_first_process():
        return
    write_json(path.parent / RESULT_FILE, result)
    reporter.result(result)


def perform(spec: Spec, *, folder: Path, reporter: Reporter) -> WorkerResult | None:
    """Do what a spec says, with `folder` for scratch files; a server returns None when it is stopped."""
    _import_libraries(spec)
    from swap_assets.backends.models.local_model import limit_threads, quiet_libraries

    quiet_libraries()
    limit_threads(spec.threads)
    match spec:
        case TrainSpec():
            from swap_assets.backends.methods import method

            return method(spec.method).train(spec, folder=folder, reporter=reporter)
        case GenerateSpec():
            from swap_assets.backends.engines import generate

            return generate(spec, reporter=reporter)
        case MergeSpec():
            from swap_assets.backends.serving.merging import merge

            return merge(spec, reporter=reporter)
        case ServeSpec():
            from swap_assets.backends.serving.servers import serve_forever

            serve_forever(spec)
            return None


def _import_libraries(spec: Spec) -> None:
    """Import what a spec needs with the garbage collector off: a sixth faster, 1 s of training's 7 s."""
    needed = ["transformers.modeling_utils"]
    match spec:
        case GenerateSpec():
            from swap_assets.backends.engines import ENGINES

            needed = list(ENGINES[spec.engine.kind].libraries)
            needed += ["peft"] if needed and spec.adapter else []  # none where another process has the model
        case TrainSpec():
            from swap_assets.backends.methods import method

            needed += [*method(spec.method).LIBRARIES, *["mlflow"] * (spec.tracking is not None)]
        case MergeSpec():
            needed += ["peft"]
    gc.disable()
    try:
        for name in needed:
            importlib.import_module(name)
        gc.freeze()
    finally:
        gc.enable()


@contextlib.contextmanager
def _reporter() -> Iterator[Reporter]:
    # Of several processes the first one speaks for all.
    if "DAGSTER_PIPES_CONTEXT" not in os.environ or not supervision.is_first_process():
        yield Reporter()
        return
    from dagster_pipes import open_dagster_pipes

    pipes = open_dagster_pipes()
    # That of a launched process is closed by the launcher: what comes after is taken for a mistake.
    with contextlib.nullcontext() if supervision.is_launched() else pipes:
        yield Reporter(pipes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
