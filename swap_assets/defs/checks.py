"""The asset checks: each has a result for each partition of its asset, and says what the domain has judged."""

import warnings
from collections.abc import Sequence

import dagster as dg

from swap_assets.defs.resources.store import MODELS_AND_SCALES, experiment_in_force
from swap_assets.domain.judging.consistency import MergeVerdict
from swap_assets.domain.judging.criteria_table import CriterionResult, criteria_in_force
from swap_assets.domain.report.endings import unended
from swap_assets.domain.scoring.evaluation import Evaluation

GATE_CHECK, ANSWERS_END = "passes", "answers_end"


def check_spec(
    name: str, asset: str, *, description: str, blocking: bool = False,
    partitions_def: dg.PartitionsDefinition = MODELS_AND_SCALES,
) -> dg.AssetCheckSpec:  # fmt: skip
    """Return the spec of a check that has a result for each partition of its asset."""
    with warnings.catch_warnings():  # Dagster calls partitioned checks a preview, once for each of them
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name, asset=asset, description=description, blocking=blocking, partitions_def=partitions_def
        )


def gate_check(decision: str, partitions: dg.PartitionsDefinition) -> dg.AssetCheckSpec:
    """Return the check of a decision: green where the evidence passes the gate, amber where not."""
    told = "The evidence passes the gate; what follows where it does not is the policy's."
    return check_spec(GATE_CHECK, decision, description=told, partitions_def=partitions)


def evaluation_checks(asset: str) -> list[dg.AssetCheckSpec]:
    """Return one non-blocking check for each success criterion, and the one that answers end."""
    demands = criteria_in_force(experiment_in_force().gates)
    found = [check_spec(item.name, asset, description=item.description) for item in demands]
    return [*found, answers_end_check(asset)]


def answers_end_check(asset: str) -> dg.AssetCheckSpec:
    """Return the spec of the check that answers end by themselves."""
    told = "At least nine of ten answers in each track end by themselves; figures of cut answers say little."
    return check_spec(ANSWERS_END, asset, description=told)


def answers_end_result(evaluation: Evaluation, *, trained: bool) -> dg.AssetCheckResult:
    """Return whether answers end; where they don't it is an error of what was trained, and expected of a bare base."""
    told = unended(evaluation)
    severity = dg.AssetCheckSeverity.ERROR if trained else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        check_name=ANSWERS_END, passed=not told, severity=severity, metadata={"verdict": "fail" if told else "pass"},
        description=told or "the answers end by themselves",
    )  # fmt: skip


def merge_check_result(name: str, judged: MergeVerdict) -> dg.AssetCheckResult:
    """Return how merged weights compare with their adapters, in points of each track."""
    shown = {f"{item.track.value}_points": -item.delta_points for item in judged.contrasts}
    return dg.AssetCheckResult(check_name=name, passed=judged.passed, description=judged.reason, metadata=shown)


def check_results(judged: Sequence[CriterionResult]) -> list[dg.AssetCheckResult]:
    """Return the checks' results: green where the criterion is passed, amber where it is not or cannot be told."""
    return [
        dg.AssetCheckResult(
            check_name=found.name, passed=found.verdict == "pass", severity=dg.AssetCheckSeverity.WARN,
            description=found.sentence,
            metadata={"verdict": found.verdict, "threshold": f"{found.threshold:g} {found.unit}", "rows": found.rows}
            | ({"value": float(found.value)} if found.value is not None else {}),
        )
        for found in judged
    ]  # fmt: skip
