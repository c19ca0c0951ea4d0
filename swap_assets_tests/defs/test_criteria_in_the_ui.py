"""The success criteria where people read them: the checks of an evaluation and the report judge as the policy says."""

import dagster as dg
import pytest
import yaml

from swap_assets.backends.report.build import build_scale_report
from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.defs import approaches
from swap_assets.defs.resources.processes import ModelProcesses
from swap_assets.defs.resources.store import MODELS_AND_SCALES, SCALES
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL
from swap_assets.domain.keys import hosted, tuned
from swap_assets.domain.scoring.aggregation import summarise
from swap_assets.domain.scoring.evaluation import Evaluation, TrackResult
from swap_assets.domain.scoring.scores import RowScore
from swap_assets.domain.weights import LoraAdapter
from swap_assets_tests.conftest import EXPERIMENT
from swap_assets_tests.defs.scenarios import Scenario

KEY = "little|tiny"
CANDIDATE = tuned("little", "tiny", "fledgling")
PACKED = tuned("little", "tiny", "fledgling", packed=True)
ROWS = 100
(EVALUATION,) = (one for one in approaches.EVALUATIONS if one.key.path[-1] == "fledgling_evaluation")
_UPSTREAM = [
    dg.AssetSpec("llm_baseline", partitions_def=SCALES),
    dg.AssetSpec("fledgling_structured_adapter", partitions_def=MODELS_AND_SCALES),
    dg.AssetSpec("fledgling_toolcall_adapter", partitions_def=MODELS_AND_SCALES),
]


def _row(index, right, strict, valid_json):
    names = ("exact_match", "name_match", "field_f1", "field_precision", "field_recall")
    figures = {name: float(index < right) for name in names}
    figures |= {f"{name}_strict": float(index < strict) for name in names}
    splits = ("single_turn_test", "multi_turn_test") if index < 50 else ()
    return RowScore(case_id=f"c{index}", conversation_id=f"c{index}", origin="real", splits=splits,
                    labels={"single_turn": "simple", "multi_turn": "sequential"},
                    valid_json=float(index < valid_json), **figures)  # fmt: skip


def _measured(candidate, *, right=ROWS, strict=ROWS, valid_json=ROWS):
    """Return an evaluation whose tool calls are valid JSON but for one; `valid_json` counts structured answers."""
    results = {}
    for written, valid in ((FLEDGLING_TOOLCALL, 99), (FLEDGLING_STRUCTURED, valid_json)):
        rows = tuple(_row(index, right, strict, valid) for index in range(ROWS))
        results[written.track] = TrackResult(summary=summarise(candidate.id, written, rows), rows=rows)
    return Evaluation(candidate=candidate, results=results, dataset_hash="d", artefact_hash="a")


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Return a function that evaluates the Fledgling pair as an asset, and gives verdicts of checks and report."""
    monkeypatch.chdir(tmp_path)
    settings = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8"))

    def judge(*, gates, llm, slm, trained=CANDIDATE):
        settings["gates"] = gates
        (tmp_path / "swap.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        load_experiment.cache_clear()
        experiment = load_experiment(tmp_path / "swap.yaml")
        monkeypatch.setattr("swap_assets.defs.resources.store.experiment_in_force", lambda: experiment)
        with dg.DagsterInstance.ephemeral() as instance:
            scenario = Scenario(instance)
            store = scenario.store
            store.write("llm_baseline", "tiny", llm, kind=Evaluation)
            for name in (FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL):
                adapter = LoraAdapter(
                    candidate_id=trained.id, name=name.track.value, answer_format=name, status="trained"
                )
                store.write(f"fledgling_{name.track.value}_adapter", KEY, adapter, kind=LoraAdapter)
            monkeypatch.setattr(type(store), "test_files", lambda *_: ())
            monkeypatch.setattr(ModelProcesses, "evaluation", lambda *_, **__: slm)
            done = dg.materialize(
                [*_UPSTREAM, EVALUATION], selection=[EVALUATION],
                instance=instance, partition_key=KEY,
                resources=scenario.resources,
            )  # fmt: skip
            checks = {found.check_name: found.metadata["verdict"].value for found in done.get_asset_check_evaluations()}
            report = build_scale_report(
                store.experiment, store.folder, "tiny", test_cases=lambda _: [], now="", notices=[], source=""
            )
        return checks, {found.name: found.verdict for found in report.criteria[CANDIDATE.id]}

    return judge


LLM = _measured(hosted("big", "tiny"), right=90)


def test_adapters_of_another_candidate_are_not_evaluated_under_this_ones_id(judged):
    with pytest.raises(dg.Failure, match=f"of {PACKED.id}, not of {CANDIDATE.id}; train it again: swap-assets mat"):
        judged(gates={}, llm=LLM, slm=_measured(CANDIDATE), trained=PACKED)


def test_structured_answers_that_are_mostly_no_json_do_not_pass_as_the_tool_calls(judged):
    for found in judged(gates={}, llm=LLM, slm=_measured(CANDIDATE, valid_json=30)):
        assert found["json_valid"] == "fail"


def test_where_gates_read_strictly_nothing_passes_that_is_right_only_leniently(judged):
    for found in judged(gates={"reads": "strict"}, llm=LLM, slm=_measured(CANDIDATE, strict=5)):
        strict = ("single_turn_exact_match", "single_turn_field_f1", "multi_turn_field_f1", "multi_turn_name_match",
                  "field_precision", "field_recall")  # fmt: skip
        assert {found[name] for name in strict} == {"fail"}


@pytest.mark.parametrize(("allowed", "right", "met"), [(3, 88, True), (-3, 90, False), (-3, 100, True)])
def test_the_limit_of_the_release_is_the_policys(judged, allowed, right, met):
    gates = {"release": {"max_delta_points": allowed, "margin_points": 10}}
    for found in judged(gates=gates, llm=LLM, slm=_measured(CANDIDATE, right=right)):
        assert (found["release"] == "pass") == met
