"""What Dagster's own command says where it can't materialise: one sentence in place of its stack."""

import argparse
import sys
from collections.abc import Callable
from types import TracebackType

import dagster as dg

from swap_assets.defs.resources.store import experiment_in_force
from swap_assets.domain.selection import selection_problem


def refusal(arguments: list[str], defs: dg.Definitions) -> str:
    """Return why `dagster asset materialize ...` (the arguments after `dagster`) can't go; "" where it isn't known."""
    options = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    options.add_argument("--select", default="")
    options.add_argument("--partition", default="")
    given, _ = options.parse_known_args(arguments[2:])
    if arguments[:2] != ["asset", "materialize"] or not given.select:
        return ""
    names, experiment = [name.strip() for name in given.select.split(",")], experiment_in_force()
    if problem := selection_problem(experiment, names, given.partition):
        return problem
    graph = defs.resolve_asset_graph()
    selected = dg.AssetSelection.from_coercible(names).resolve(graph, allow_missing=True)
    chosen, known = (sorted(key.path[-1] for key in each) for each in (selected, graph.materializable_asset_keys))
    if not chosen:
        return f"'{given.select}' selects no asset of {', '.join(known)}"
    return selection_problem(experiment, chosen, given.partition)


def in_a_sentence(defs: dg.Definitions) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """Return a hook for uncaught exceptions: it prints a refusal of that command, and leaves any other to Python."""

    def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if problem := refusal(sys.argv[1:], defs):
            print(f"Error: {problem}", file=sys.stderr)
        else:
            sys.__excepthook__(kind, error, trace)

    return say
