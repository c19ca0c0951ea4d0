"""A decision explained to a person: rule, evidence, verdict, what it still needs, and the next command."""

from swap_assets.domain.judging.approval import Approval, Standing, standing, standing_sentence
from swap_assets.domain.judging.decisions import Decision, Measured
from swap_assets.domain.keys import BASELINE_ASSETS, models_of, partition_key

_MATERIALIZE = "dagster asset materialize -m swap_assets.definitions --select"


def explain(
    decision: Decision,
    *,
    approval: Approval | None,
    approval_required: bool,
    stale: str = "",
    next_scale: str | None = None,
) -> str:
    """Return the explanation as plain text, one thing a line.

    Args:
        decision: what was decided.
        approval: the last word on it, for a release.
        approval_required: whether the policy asks for one.
        stale: which evidence has changed since, "" where none has.
        next_scale: the scale after the decision's own, None after the last.
    """
    released = decision.name == "release_decision"
    lines = [
        f"{decision.name} for {decision.partition}: {decision.verdict}, so {decision.action.replace('_', ' ')}",
        f"Reason: {decision.reason}",
        f"Rule: {decision.rule}",
        "Thresholds: " + ", ".join(f"{name} {value:g}" for name, value in decision.thresholds.items()),
        *[f"Evidence: {item.sentence()}" for item in decision.contrasts],
        *[f"Contest: {item.candidate_id} is {item.ahead_points:+.1f} points ahead of {item.rival_id} on {item.metric} "
          f"(p {item.p_value:.3g}, after Holm {item.p_adjusted:.3g})" for item in decision.rivalries],
        *[_measured(item) for item in decision.measured],
        *[f"Missing: {text}" for text in decision.missing],
        f"Decided by {decision.decided_by}, {decision.decided_at or 'no time given'}; content {decision.content()}",
    ]  # fmt: skip
    if decision.verdict == "inconclusive":
        lines.append(f"Rows that would settle it: {decision.rows_needed or 'no number would'}")
    lines += tries(decision)
    if released and decision.action == "release":
        lines.append(f"Approval: {standing_sentence(decision, approval, required=approval_required)}")
    if stale:
        lines.append(f"Stale: {stale}.")
    where = standing(decision, approval, required=approval_required)
    lines.append(f"Next: {next_command(decision, stale=bool(stale), where=where, next_scale=next_scale)}")
    return "\n".join(lines)


def tries(decision: Decision) -> list[str]:
    """Return what a decision suggests to try, each with the line to paste into the experiment file."""
    return [
        f"Try: {item.text}. Paste below `{item.section}:` in the experiment file:\n  {item.line}"
        for item in decision.suggestions
    ]


def next_command(decision: Decision, *, stale: bool, where: Standing, next_scale: str | None = None) -> str:
    """Return the command that follows from a decision, or why none does.

    Args:
        decision: what was decided.
        stale: whether its evidence has changed since.
        where: where a release stands with people.
        next_scale: the scale after the decision's own, None after the last.
    """
    at = f"--partition '{decision.partition}'"
    if stale:
        return f"{_MATERIALIZE} {decision.name} {at}"
    if decision.action == "release":
        return _after_release(decision, where)
    if decision.action == "train":
        return f"{_MATERIALIZE} 'group:training or group:evaluation' {at}"
    if decision.action == "skip":
        return f"{_MATERIALIZE} comparison_report,scale_up_decision --partition {decision.scale}"
    if decision.action == "scale_up":
        return f"{_MATERIALIZE} {','.join(BASELINE_ASSETS)} --partition {next_scale or 'SCALE'}"
    if decision.action == "iterate":
        tried = "paste one of the lines above into the experiment file" if decision.suggestions else "change the recipe"
        return f"{tried}, see what it costs with `swap-assets plan`, and start Dagster anew, so that it reads the file"
    if decision.name == "scale_up_decision" and decision.candidates:
        keys = [partition_key(model, decision.scale) for model in models_of(decision.candidates)]
        return "; ".join(f"{_MATERIALIZE} release_decision --partition '{key}'" for key in keys)
    return "none: nothing follows from it until the evidence changes"


def _after_release(decision: Decision, where: Standing) -> str:
    if where in ("approved", "not_required"):
        return f"{_MATERIALIZE} merged_model --partition '{decision.partition}'"
    if where == "rejected":
        return "none: it was rejected, and stays so until the evidence changes or somebody approves it"
    return f"swap-assets approve '{decision.name}:{decision.partition}' --by NAME --reason TEXT"


def _measured(item: Measured) -> str:
    prompts = ", ".join(f"{track} {value}" for track, value in item.prompt_hashes.items() if value)
    return (
        f"Measured: {item.candidate_id}: rows {item.dataset_hash or '-'}, weights {item.artefact_hash or '-'}, "
        f"prompts {prompts or '-'}, figures {item.evidence_hash}"
    )
