"""The list of gates. A further one is an entry here: its sensor, jobs, decision asset and explanation follow."""

from swap_assets.domain.gates.fine_tune import FINE_TUNE_GATE, MODEL_BASELINE_GATE
from swap_assets.domain.gates.gate import Deciding, Gate, Job
from swap_assets.domain.gates.release import RELEASE_GATE
from swap_assets.domain.gates.report import REPORT_GATE
from swap_assets.domain.gates.scale_up import SCALE_UP_GATE

GATES: list[Gate] = [MODEL_BASELINE_GATE, FINE_TUNE_GATE, REPORT_GATE, SCALE_UP_GATE, RELEASE_GATE]


def jobs() -> dict[str, Job]:
    """Return the jobs that gates may ask for, by name."""
    return {job.name: job for gate in GATES for job in gate.jobs}


def decisions() -> dict[str, Deciding]:
    """Return the decision assets, by name."""
    return {gate.decision.name: gate.decision for gate in GATES if gate.decision}
