"""States of an experiment with a given record, for tests of what reads them."""

from typing import Any

import yaml

from swap_assets.domain.experiment.experiment import Experiment, parse_experiment
from swap_assets.domain.judging.decisions import Approval, Decision
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.state import EvaluationRecord, State
from swap_assets_tests.conftest import EXPERIMENT


def experiment_of(**changes: Any) -> Experiment:
    """Return the tests' experiment with the small model `phi`, the LLM `gpt` and the scales `small` and `large`."""
    data = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8"))
    data["models"] = {"phi": data["models"]["little"]}
    data["scales"] = {"small": data["scales"]["tiny"], "large": data["scales"]["small"]}
    data["hosted_model"]["key"] = "gpt"
    return parse_experiment({**data, **changes})


def state_with(
    *evaluations: Evaluation,
    decisions: tuple[Decision, ...] = (),
    approvals: tuple[Approval, ...] = (),
    approval: str = "ui",
    **known: Any,
) -> State:
    """Return a state in which so much has been measured, decided and approved; the conversations are there."""
    found = {f"{one.candidate.evaluation_asset}/{one.candidate.evaluation_partition}": one for one in evaluations}
    return State(
        experiment=experiment_of(gates={"release": {"approval": approval}}),
        evaluations={key: EvaluationRecord.of(one) for key, one in found.items()},
        decisions={f"{one.name}/{one.partition}": one for one in decisions},
        approvals={one.partition: one for one in approvals},
        **{"root": "v1", **known},
    )
