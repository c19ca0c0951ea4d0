"""What a gate is: an entry from which its sensor, its jobs and the explanations of its decision follow.

A gate looks at the recorded state and says which runs are due, and what it waits for. It knows no clock and remembers
nothing: asked twice about the same state it says the same, and the run keys see to it that each step is taken once.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from swap_assets.domain import keys
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.model import Frozen, content_hash
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.state import State


class Job(NamedTuple):
    """A named job: what a gate may ask for at once, by assets or groups, all of one partitions definition."""

    name: str
    description: str
    assets: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def command(self, partition: str) -> str:
        """Return the command that does the same by hand; the command line takes no partition for a job."""
        assets = [",".join(self.assets)] if self.assets else []
        selection = " or ".join([*assets, *(f"group:{name}" for name in self.groups)])
        return materialize(f"'{selection}'" if " " in selection else selection, partition)


def materialize(selection: str, partition: str = "") -> str:
    """Return the command that materialises some assets at a partition, "" for those that have none."""
    return f"swap-assets materialize {selection}" + f" --partition '{partition}'" * bool(partition)


# From the first rows of a scale to the release.
BASELINE = Job(
    "baseline", "A scale's splits, tracks and test rows, and the hosted LLM's answers.", keys.BASELINE_ASSETS
)
MODEL_BASELINE = Job(
    "model_baseline",
    "The untouched model's answers, and whether it needs training.",
    (keys.SLM_BASELINE, keys.FINE_TUNE_DECISION),
)
TRAIN = Job(
    "train_and_evaluate",
    "The adapters that the decisions let through, and their evaluations.",
    groups=("training", "evaluation"),
)
REPORT = Job(
    "report", "A scale's report, and whether to go on to the next.", (keys.COMPARISON_REPORT, keys.SCALE_UP_DECISION)
)
SEALED_TEST = Job("sealed_test", "The sealed rows, asked once, and the decision to release.", keys.SEALED_ASSETS)
RELEASE = Job(
    "release", "The merged model of a release that passed and, where asked for, was approved.", (keys.MERGED_MODEL,)
)


class Step(Frozen):
    """A run that is due: a named job at a partition (all of its assets unless some are named), and why.

    `evidence` is what it acts on; the same evidence never acts twice, because the run key is made of it.
    """

    job: str
    partition: str
    assets: tuple[str, ...] = ()
    because: str
    evidence: tuple[str, ...]

    @property
    def run_key(self) -> str:
        """The name under which Dagster starts a run at most once."""
        return f"{self.job}-{content_hash(self.job, self.partition, self.assets, self.evidence)}"


class Outcome(NamedTuple):
    """What a gate makes of the state: the runs that are due, and what it waits for."""

    steps: tuple[Step, ...] = ()
    waits: tuple[str, ...] = ()


class Deciding(NamedTuple):
    """A decision asset: made for each model at each scale or once for a scale, and what follows from it.

    `follows` says the next command, or why there is none, for a decision whose evidence still holds. `judge` makes the
    decision of a partition from the contenders' and the LLM's evaluations, and `rests_on` names the assets that it
    reads; without `judge` the asset is written by hand, because it asks for more than what is there.
    """

    name: str
    per: Literal["model", "scale"]
    follows: Callable[[Decision, State], str]
    description: str = ""
    judge: Callable[[Sequence[Evaluation], Evaluation, Experiment, str], Decision] | None = None
    rests_on: Callable[[Experiment], Sequence[str]] = lambda _experiment: ()


class Gate(NamedTuple):
    """One gate: the name of its sensor, what is due (steps, and sentences of what it waits for), what it may start.

    `reads` names what costs a question of its own: "approvals", those that people gave in Dagster's UI, which are taken
    over before it looks, and "rows", the data versions of what is trained on.
    """

    name: str
    description: str
    due: Callable[[State], Iterator[Step | str]]
    jobs: tuple[Job, ...]
    decision: Deciding | None = None
    reads: tuple[Literal["approvals", "rows"], ...] = ()

    def outcome(self, state: State) -> Outcome:
        """Return what is due and what is waited for."""
        if not state.root:
            return Outcome(waits=("hermes_conversations has not been materialised yet: nothing is admitted",))
        found = list(self.due(state))
        waits = tuple(item for item in found if isinstance(item, str))
        return Outcome(tuple(item for item in found if isinstance(item, Step)), waits)


def unusable(state: State, name: str, partition: str) -> str:
    """Say why a decision can't be acted on: not made, or stale; "" where it can."""
    decision = state.decision(name, partition)
    if decision is None:
        return f"{name} for {partition} has not been made"
    why = state.stale(decision)
    return f"{name} for {partition} is stale: {why}" if why else ""
