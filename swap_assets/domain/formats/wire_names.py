"""Names of functions as services take them: letters, digits, `_` and `-`, at most 64 of them (OpenAI's rule).

`maps.directions v2` goes out as `maps_directions_v2` and comes back under its own name.
"""

import re
from collections.abc import Iterable, Mapping

LONGEST = 64
_TAKEN = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST}}}")
_OTHER = re.compile(r"[^A-Za-z0-9_-]")


def wire_names(names: Iterable[str]) -> dict[str, str]:
    """Return for each name the one that is sent: itself where it may be, and no two the same."""
    wanted = sorted(dict.fromkeys(names), key=lambda name: _TAKEN.fullmatch(name) is None)
    sent: dict[str, str] = {}
    for name in wanted:
        sent[name] = _free(_OTHER.sub("_", name)[:LONGEST] or "_", set(sent.values()))
    return sent


def own_name(sent: str, names: Mapping[str, str]) -> str:
    """Return the name that was sent as `sent`; what was never sent stays as the model wrote it."""
    return next((name for name, wire in names.items() if wire == sent), sent)


def _free(name: str, taken: set[str]) -> str:
    found, number = name, 2
    while found in taken:
        suffix = f"_{number}"
        found, number = name[: LONGEST - len(suffix)] + suffix, number + 1
    return found
