"""`make bench`: every measurement beside its peer, one after the other, from one run; `--quick` takes less of each.

`scoring` includes the agreement with BFCL's checker and the error rates of gates and decisions.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence

# Each prints its own tables and can be run by itself, `python -m benchmarks.data`; beside it what makes it quick.
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "data": ("1000", "10000"),
    "scoring": ("--quick",),
    "generation": ("--quick",),
    "training": ("--quick",),
    "report": (),
}
LONGEST = 3_600  # seconds for one of them
_TIDYING = 60  # seconds in which one that took too long may remove what it made


def main(*, quick: bool) -> int:
    """Run every benchmark in a process of its own; return 1 where one failed or took too long."""
    failed = []
    for name, shorter in BENCHMARKS.items():
        print(f"\n## {name}\n", flush=True)
        code = run([sys.executable, "-m", f"benchmarks.{name}", *(shorter if quick else ())], seconds=LONGEST)
        if code:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def run(command: Sequence[str], *, seconds: float) -> int:
    """Return a command's exit code; one that takes longer than `seconds` is interrupted, so that it can tidy up."""
    process = subprocess.Popen(command)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        print(f"took longer than {seconds:.0f} s and was stopped", file=sys.stderr)
        process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=_TIDYING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return 1


if __name__ == "__main__":
    sys.exit(main(quick="--quick" in sys.argv))
