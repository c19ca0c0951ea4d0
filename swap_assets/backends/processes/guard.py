"""Runs somebody else's server so that it ends with whoever started it.

`python -m swap_assets.backends.processes.guard COMMAND`

Our own processes look after themselves (`processes.die_with_parent`); a foreign one does not, and one that outlives a
killed run would hold the card that the run's lease has just given back.
"""

import os
import signal
import subprocess
import sys

from swap_assets.backends.processes.supervision import PARENT_VARIABLE

_LOOK_EVERY_S = 0.5


def guarded(command: list[str]) -> list[str]:
    """Return the command that runs another one under guard; start it with `processes.start`."""
    return [sys.executable, "-m", "swap_assets.backends.processes.guard", *command]


def main(command: list[str]) -> int:
    """Run a command until it or the parent ends; return its exit code."""
    parent = int(os.environ[PARENT_VARIABLE])
    # The whole group is asked to end, the command too: the guard waits for it to do so.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        child = subprocess.Popen(command)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", file=sys.stderr)
        return 127
    while True:
        try:
            code = child.wait(timeout=_LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                os.killpg(0, signal.SIGKILL)
            continue
        # What it started may still be there, with the card's memory; this process does not listen to that signal.
        os.killpg(0, signal.SIGTERM)
        return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
