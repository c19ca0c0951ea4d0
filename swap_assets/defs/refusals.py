"""What Dagster's own command says where it can't materialise: one sentence in place of its stack."""

import argparse
import contextlib
import sys
from collections.abc import Callable
from types import TracebackType

import dagster as dg

from swap_assets.defs.resources.store import experiment_in_force
from swap_assets.domain.selection import selection_problem

_LANGUAGE = ':*+"() '  # what no asset's name has, and Dagster's language of selections does


def refusal(arguments: list[str], defs: dg.Definitions) -> str:
    """Return why `dagster asset materialize ...` (the arguments after `dagster`) can't go; "" where it isn't known."""
    given = _given(arguments)
    if not given.select:
        return ""
    names, experiment = _names(given.select), experiment_in_force()
    if problem := selection_problem(experiment, names, given.partition):
        return problem
    graph = defs.resolve_asset_graph()
    try:
        selected = dg.AssetSelection.from_coercible(names).resolve(graph, allow_missing=True)
    except dg.DagsterError as error:
        return f"'{given.select}' is no selection of assets ({error})"
    chosen, known = (sorted(key.path[-1] for key in each) for each in (selected, graph.materializable_asset_keys))
    if not chosen:
        return f"'{given.select}' selects no asset of {', '.join(known)}"
    return selection_problem(experiment, chosen, given.partition)


def refuse_an_empty_selection(arguments: list[str], defs: dg.Definitions) -> None:
    """End the command where its selection (`group:nosuch`) holds no asset: Dagster would make every one it can."""
    given = _given(arguments)
    if given.partition or not any(symbol in given.select for symbol in _LANGUAGE):
        return
    graph = defs.resolve_asset_graph()
    with contextlib.suppress(dg.DagsterError):  # no selection at all, which Dagster itself refuses
        if not dg.AssetSelection.from_coercible(_names(given.select)).resolve(graph, allow_missing=True):
            sys.exit(f"Error: {refusal(arguments, defs)}")


def _given(arguments: list[str]) -> argparse.Namespace:
    """Return what `dagster asset materialize` is asked for, nothing where the command is another."""
    options = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    options.add_argument("--select", default="")
    options.add_argument("--partition", default="")
    return options.parse_known_args(arguments[2:] if arguments[:2] == ["asset", "materialize"] else [])[0]


def _names(selection: str) -> list[str]:
    return [name.strip() for name in selection.split(",")]


def in_a_sentence(defs: dg.Definitions) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """Return a hook for uncaught exceptions: it prints a refusal of that command, and leaves any other to Python."""

    def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if problem := refusal(sys.argv[1:], defs):
            print(f"Error: {problem}", file=sys.stderr)
        else:
            sys.__excepthook__(kind, error, trace)

    return say
