"""What `explain` says of a decision: rule, evidence, verdict, rows still needed, what to try, the next command."""

import dataclasses
import shlex

import dagster as dg
import pytest

from swap_assets.definitions import defs
from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.gates.registry import explain
from swap_assets.domain.gates.replacement import release
from swap_assets.domain.gates.scale_up import scale_up
from swap_assets.domain.judging.decisions import Approval, Suggestion
from swap_assets.domain.keys import BASELINE_ASSETS, Candidate
from swap_assets.domain.state import EvaluationRecord
from swap_assets_tests.domain.evaluations import FLEDGLING, LLM, PAPER, SLM, evaluation, shares
from swap_assets_tests.domain.states import state_with

N, POLICY = 200, GatePolicy()
BAR = evaluation(LLM, shares(160, N))


def _fine_tune(right):
    return fine_tune(evaluation(SLM, shares(right, N)), BAR, POLICY)


def _scale_up(right, following="large"):
    return scale_up([evaluation(PAPER, shares(right, N))], BAR, POLICY, scale="small", next_scale=following)


def _release(right):
    candidate = evaluation(PAPER, shares(right, N))
    return release([candidate], BAR, POLICY, model="phi", scale="small", sealed=(candidate, BAR))


STALE = _fine_tune(160).model_copy(update={"hashes": {"phi--large--paper--constrained--adapter": "no longer made"}})


def _explain(decision, *approvals):
    """Explain a decision where what it rests on is what was measured last."""
    records = [
        EvaluationRecord(candidate_id=name, status="evaluated", evidence_hash=evidence)
        for name, evidence in decision.hashes.items()
    ]
    keys = [Candidate.from_id(one.candidate_id) for one in records]
    state = dataclasses.replace(
        state_with(approvals=approvals),
        evaluations={
            f"{key.evaluation_asset}/{key.evaluation_partition}": one for key, one in zip(keys, records, strict=True)
        },
    )
    return explain(decision, state)


def _next(decision):
    return _explain(decision).splitlines()[-1].removeprefix("Next: ")


def test_an_explanation_holds_rule_thresholds_evidence_hashes_verdict_and_who_decided():
    decision = _fine_tune(100).model_copy(update={"decided_at": "2026-11-24T03:00:00+00:00"})
    text = _explain(decision)
    assert text.startswith("fine_tune_decision for phi|small: fail, so train\nReason: ")
    for words in (
        "Rule: fine-tune when the SLM is more than 10 points behind the LLM in a core metric, or below a floor",
        "Thresholds: trails_by_points 10, call_floor_percent 20, no_call_floor_percent 50",
        "Evidence: phi--small--none--greedy--base is 30.0 points behind",
        "Measured: phi--small--none--greedy--base: rows d, weights a",
        "Decided by policy, 2026-11-24T03:00:00+00:00",
    ):
        assert words in text
    assert "Rows that would settle it" not in text


def test_an_inconclusive_verdict_is_explained_with_the_rows_that_would_settle_it():
    decision = _fine_tune(144)
    assert decision.rows_needed and decision.rows_needed > N
    text = _explain(decision)
    assert f"Rows that would settle it: {decision.rows_needed}" in text


def test_who_was_ahead_of_whom_is_explained_with_both_p_values():
    both = [evaluation(PAPER, shares(165, N)), evaluation(FLEDGLING, shares(150, N))]
    decision = scale_up(both, BAR, POLICY, scale="small", next_scale="large")
    text = _explain(decision)
    assert f"Contest: {PAPER.id} is +7.5 points ahead of {FLEDGLING.id}" in text and "after Holm" in text


def test_the_baselines_assets_are_those_of_the_job():
    job = defs.resolve_job_def("baseline")
    assert {key.path[-1] for key in job.asset_layer.selected_asset_keys} == set(BASELINE_ASSETS)


@pytest.mark.parametrize(
    ("decision", "selected", "partition"),
    [
        (_fine_tune(100), {"paper_adapter", "paper_evaluation", "fledgling_evaluation"}, "phi|small"),
        (_fine_tune(160), {"comparison_report", "scale_up_decision"}, "small"),
        (STALE, {"fine_tune_decision"}, "phi|small"),
        (_scale_up(160), {*BASELINE_ASSETS}, "large"),
        (_scale_up(160, None), {"release_decision"}, "phi|small"),
    ],
)
def test_the_next_command_is_one_that_dagster_takes(decision, selected, partition):
    words = shlex.split(_next(decision))
    assert words[:2] == ["swap-assets", "materialize"]
    assert words[-2:] == ["--partition", partition]
    graph = defs.resolve_asset_graph()
    parts = words[2].split(",")
    found = {key.path[-1] for part in parts for key in dg.AssetSelection.from_string(part).resolve(graph)}
    assert found >= selected
    kinds = {type(graph.get(dg.AssetKey(name)).partitions_def) for name in found}
    assert kinds == {dg.MultiPartitionsDefinition if "|" in partition else dg.StaticPartitionsDefinition}


def test_what_iterating_suggests_stands_there_ready_to_paste():
    tried = Suggestion(text="rank 32 instead of 16", entry="models:\n  phi-r32: {extends: phi}")
    decision = _scale_up(60).model_copy(update={"suggestions": (tried,)})
    text = _explain(decision)
    assert (
        "Try: rank 32 instead of 16. Paste below `models:` in the experiment file:\n    phi-r32: {extends: phi}\n"
        in text
    )
    assert "swap-assets plan" in _next(decision)


@pytest.mark.parametrize(
    ("verdict", "evidence", "following"),
    [
        ("", "", "swap-assets approve 'release_decision:phi|small' --by NAME --reason TEXT"),
        ("approved", "", "merged_model --partition 'phi|small'"),
        ("rejected", "", "none: it was rejected"),
        ("approved", "other", "swap-assets approve"),
    ],
)
def test_after_a_pass_the_next_command_is_the_persons_who_is_waited_for(verdict, evidence, following):
    decision = _release(180)
    assert decision.action == "release"
    given = verdict and Approval(
        model="phi",
        scale="small",
        verdict=verdict,
        by="Ada",
        reason="looked",
        evidence_hash=evidence or decision.content(),
    )
    text = _explain(decision, *([given] if given else []))
    assert following in text.splitlines()[-1]


def test_nothing_follows_from_a_release_that_waits():
    assert _next(_release(100)).startswith("none")
