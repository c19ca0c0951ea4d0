"""Which assets can be materialised together, and at which partition; who runs them is not its business."""

import difflib
import re
from collections.abc import Sequence

from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.gates.registry import decisions
from swap_assets.domain.keys import RELEASE_APPROVAL, ROOT_ASSETS, SCALE_ASSETS, SHARED_ASSETS, partition_key

# An asset's name as Dagster takes it; any other text is its language of selections.
_NAME = re.compile(r'(?:key:)?"?([^\s:*+"()]+)"?')


def selection_problem(experiment: Experiment, names: Sequence[str], partition: str) -> str:
    """Say why assets can't be materialised at a partition, "" where they can or where Dagster must say."""
    scales = list(experiment.scales)
    pairs = [partition_key(model, scale) for model in experiment.models for scale in scales]
    keys: dict[str, list[str]] = dict.fromkeys(_assets(experiment), pairs)
    keys |= dict.fromkeys((*SCALE_ASSETS, *(name for name, one in decisions().items() if one.per == "scale")), scales)
    keys |= {name: [] for name in ROOT_ASSETS}
    named = [found[1] for name in names if (found := _NAME.fullmatch(name))]
    for name in named:
        if name not in keys:
            close = difflib.get_close_matches(name, keys, n=1)
            return f"there is no asset '{name}'; {f'did you mean {close[0]}?' if close else ', '.join(sorted(keys))}"
    if other := next((name for name in named if keys[name] != keys[named[0]]), ""):
        return f"{named[0]} and {other} have not the same partitions; materialise one after the other"
    if not named:
        return ""
    accepted = keys[named[0]]
    if partition in accepted or not (partition or accepted):
        return ""
    if not accepted:
        return f"{named[0]} has no partitions; leave --partition out"
    given = f"there is no partition '{partition}'" if partition else "no partition is given"
    return f"{given}; {named[0]} takes --partition {' or '.join(repr(key) for key in accepted)}"


def _assets(experiment: Experiment) -> list[str]:
    approaches = (*experiment.adapter_assets(), *experiment.evaluation_assets())
    return [name for name in (*SHARED_ASSETS, *decisions(), *approaches) if name != RELEASE_APPROVAL]
