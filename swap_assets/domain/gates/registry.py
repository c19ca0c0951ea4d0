"""The list of gates. A further one is an entry here: its sensor, jobs, decision asset and explanation follow.

An explanation tells a person a decision's rule, evidence and verdict, what it still needs, and the next command.
"""

from swap_assets.domain.gates.completeness import REPORT_GATE
from swap_assets.domain.gates.fine_tune import FINE_TUNE_GATE, MODEL_BASELINE_GATE
from swap_assets.domain.gates.gate import Deciding, Gate, Job, materialize
from swap_assets.domain.gates.replacement import RELEASE_GATE
from swap_assets.domain.gates.scale_up import SCALE_UP_GATE
from swap_assets.domain.judging.decisions import Decision, Measured
from swap_assets.domain.state import State

GATES: list[Gate] = [MODEL_BASELINE_GATE, FINE_TUNE_GATE, REPORT_GATE, SCALE_UP_GATE, RELEASE_GATE]


def jobs() -> dict[str, Job]:
    """Return the jobs that gates may ask for, by name."""
    return {job.name: job for gate in GATES for job in gate.jobs}


def decisions() -> dict[str, Deciding]:
    """Return the decision assets, by name."""
    return {gate.decision.name: gate.decision for gate in GATES if gate.decision}


def explain(decision: Decision, state: State) -> str:
    """Return the explanation of a decision as plain text, one thing a line."""
    lines = [
        f"{decision.name} for {decision.partition}: {decision.verdict}, so {decision.action.replace('_', ' ')}",
        f"Reason: {decision.reason}",
        f"Rule: {decision.rule}",
        "Thresholds: " + ", ".join(f"{name} {value:g}" for name, value in decision.thresholds.items()),
        *[f"Evidence: {item.sentence()}" for item in (*decision.contrasts, *decision.slices)],
        *[f"Contest: {item.candidate_id} is {item.ahead_points:+.1f} points ahead of {item.rival_id} on {item.metric} "
          f"(p {item.p_value:.3g}, after Holm {item.p_adjusted:.3g})" for item in decision.rivalries],
        *[_measured(item) for item in decision.measured],
        *[f"Missing: {text}" for text in decision.missing],
        f"Decided by {decision.decided_by}, {decision.decided_at or 'no time given'}; content {decision.content()}",
    ]  # fmt: skip
    if decision.verdict == "inconclusive":
        lines.append(f"Rows that would settle it: {decision.rows_needed or 'no number would'}")
    lines += tries(decision)
    if decision.action == "release":
        lines.append(f"Approval: {state.approval_sentence(decision)}")
    if stale := state.stale(decision):
        lines.append(f"Stale: {stale}.")
    lines.append(f"Next: {_next_command(decision, state)}")
    return "\n".join(lines)


def tries(decision: Decision) -> list[str]:
    """Return what a decision suggests to try, each with the line to paste into the experiment file."""
    return [
        f"Try: {item.text}. Paste below `{item.section}:` in the experiment file:\n  {item.line}"
        for item in decision.suggestions
    ]


def _next_command(decision: Decision, state: State) -> str:
    """Return the command that follows from a decision, or why none does; a stale one is to be made again."""
    if state.stale(decision):
        return materialize(decision.name, decision.partition)
    following = decisions()[decision.name].follows(decision, state)
    return following or "none: nothing follows from it until the evidence changes"


def _measured(item: Measured) -> str:
    prompts = ", ".join(f"{track} {value}" for track, value in item.prompt_hashes.items() if value)
    return (
        f"Measured: {item.candidate_id}: rows {item.dataset_hash or '-'}, weights {item.artefact_hash or '-'}, "
        f"prompts {prompts or '-'}, figures {item.evidence_hash}"
    )
