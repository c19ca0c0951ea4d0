"""What a part of the campaign counts, and its line in the table."""

from collections import Counter
from typing import NamedTuple

from benchmarks import tables

COLUMNS = ("part", "tried", "survived", "told", "lost", "repeated", "leaked", "silent")


class Outcome(NamedTuple):
    """What became of `tried` faults of one kind.

    `survived` ended as without the fault, `told` in a sentence of ours. What is bad is 0 in a table to be proud of:
    `lost` (work or answers that were done, a command that never ends), `repeated` (paid or done again, but for requests
    under way), `leaked` (a process left running; a secret or a text where it does not belong), `silent` (other figures
    without a word). `why` shows the first of them.
    """

    part: str
    tried: int
    survived: int = 0
    told: int = 0
    lost: int = 0
    repeated: int = 0
    leaked: int = 0
    silent: int = 0
    why: str = ""

    @property
    def bad(self) -> int:
        """How many were not as they should be."""
        return self.lost + self.repeated + self.leaked + self.silent

    def show(self) -> None:
        """Print its line, and below it what went wrong first."""
        tables.line(*self[:8])
        if self.bad or self.why:
            print(f"    {self.why or 'no example was kept'}", flush=True)


def counted(part: str, ends: list[str], *, why: str = "") -> Outcome:
    """Return the outcome of faults that each ended in one of the columns' words."""
    found = Counter(ends)
    return Outcome(part, len(ends), why=why, **{name: found[name] for name in COLUMNS[2:]})
