"""A decision explained to a person: rule, evidence, verdict, what it still needs, and the next command."""

from swap_assets.domain.judging.approval import Approval, standing, standing_sentence
from swap_assets.domain.judging.decisions import Decision

_MATERIALIZE = "dagster asset materialize -m swap_assets.definitions --select"


def explain(decision: Decision, *, approval: Approval | None, approval_required: bool, stale: str = "") -> str:
    """Return the explanation as plain text, one thing a line.

    Args:
        decision: what was decided.
        approval: the last word on it, for a release.
        approval_required: whether the policy asks for one.
        stale: which evidence has changed since, "" where none has.
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
        *[f"Measured: {item.candidate_id}: rows {item.dataset_hash or '-'}, weights {item.artefact_hash or '-'}, "
          f"figures {item.evidence_hash}" for item in decision.measured],
        *[f"Missing: {text}" for text in decision.missing],
        f"Decided by {decision.decided_by}, {decision.decided_at or 'no time given'}; content {decision.content()}",
    ]  # fmt: skip
    if decision.verdict == "inconclusive":
        lines.append(f"Rows that would settle it: {decision.rows_needed or 'no number would'}")
    for item in decision.suggestions:
        lines.append(f"Try: {item.text}. Paste into the experiment file:\n{_indented(item.entry)}")
    if released and decision.action == "release":
        lines.append(f"Approval: {standing_sentence(decision, approval, required=approval_required)}")
    if stale:
        lines.append(f"Stale: {stale}.")
    where = standing(decision, approval, required=approval_required)
    lines.append(
        f"Next: {next_command(decision, stale=bool(stale), open_to_merge=where in ('approved', 'not_required'))}"
    )
    return "\n".join(lines)


def next_command(decision: Decision, *, stale: bool, open_to_merge: bool) -> str:
    """Return the command that follows from a decision."""
    at = f"--partition '{decision.partition}'"
    if stale:
        return f"{_MATERIALIZE} {decision.name} {at}"
    if decision.action == "train":
        assets = "'group:training or group:evaluation'"
        return f"{_MATERIALIZE} {assets} {at}"
    if decision.action == "release" and open_to_merge:
        return f"{_MATERIALIZE} merged_model {at}"
    if decision.action == "release":
        return f"swap-assets approve '{decision.name}:{decision.partition}' --by NAME --reason TEXT"
    if decision.action == "scale_up":
        return "dagster job launch -m swap_assets.definitions -j baseline, for the next scale"
    if decision.action == "iterate":
        return "paste one of the entries above into the experiment file; the sensors measure it beside the others"
    if decision.name == "scale_up_decision":
        models = sorted({name.split("--")[0] for name in decision.candidates})
        return f"{_MATERIALIZE} release_decision --partition '{models[0]}|{decision.scale}'" if models else "nothing"
    return "none: nothing follows from it until the evidence changes"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
