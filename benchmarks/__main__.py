"""`make bench`: every measurement beside its peer, one after the other, from one run."""

import subprocess
import sys

# Each prints its own Markdown table and can be run by itself: `python -m benchmarks.data`.
BENCHMARKS = ("data", "scoring", "generation", "training", "report")


def main() -> int:
    """Run every benchmark in a process of its own; return 1 where one failed."""
    failed = []
    for name in BENCHMARKS:
        print(f"\n## {name}\n", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
