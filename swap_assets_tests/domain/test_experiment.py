"""The experiment file: what it accepts, and how it says no."""

import pytest

from swap_assets.domain.experiment.experiment import ExperimentError, parse_experiment
from swap_assets.domain.formats.base import Track
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED, FLEDGLING_TOOLCALL


def test_a_variant_takes_everything_from_the_model_it_extends_but_its_own_keys(experiment_data):
    experiment = parse_experiment(experiment_data)
    variant = experiment.small_model("little-r4")
    assert variant.path == "models/little"
    assert experiment.approach_for("paper", model="little-r4").lora.r == 4
    assert experiment.approach_for("paper", model="little-r4").lora.alpha == 4
    assert experiment.approach_for("paper", model="little").lora.r == 2


def test_a_scales_epochs_replace_the_approachs(experiment_data):
    experiment = parse_experiment(experiment_data)
    assert experiment.approach_for("paper", model="little", scale="tiny").training.epochs == 1
    assert experiment.approach_for("paper", model="little", scale="small").training.epochs == 2


def test_a_models_own_epochs_win_over_the_scales(experiment_data):
    experiment_data["models"]["little"]["approaches"] = {"paper": {"training": {"epochs": 7}}}
    experiment = parse_experiment(experiment_data)
    assert experiment.approach_for("paper", model="little", scale="small").training.epochs == 7


def test_scales_follow_each_other_in_the_files_order(experiment_data):
    experiment = parse_experiment(experiment_data)
    assert experiment.next_scale("tiny") == "small"
    assert experiment.next_scale("small") is None


def test_formats_are_read_by_name(experiment_data):
    fledgling = parse_experiment(experiment_data).approaches["fledgling"]
    assert fledgling.adapters == {
        "structured": FLEDGLING_STRUCTURED,
        "toolcall": FLEDGLING_TOOLCALL,
    }


def test_an_approach_that_differs_in_settings_is_one_entry(experiment_data):
    experiment_data["approaches"]["paper-r64"] = {"extends": "paper", "lora": {"r": 64}}
    experiment = parse_experiment(experiment_data)
    assert experiment.approach_names == ("fledgling", "paper", "paper-r64")
    assert experiment.approaches["paper-r64"].lora.r == 64
    assert experiment.approaches["paper-r64"].training == experiment.approaches["paper"].training
    assert experiment.adapter_assets("paper-r64", "fledgling") == (
        "paper_r64_adapter", "fledgling_structured_adapter", "fledgling_toolcall_adapter",
    )  # fmt: skip
    assert "paper_r64_constrained_evaluation" in experiment.evaluation_assets()


def test_an_adapter_that_an_approach_takes_over_is_dropped_by_null(experiment_data):
    experiment_data["approaches"]["calls-only"] = {"extends": "fledgling", "adapters": {"structured": None}}
    assert parse_experiment(experiment_data).adapter_assets("calls-only") == ("calls_only_adapter",)


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([{"kind": "synthetic", "share": 0.5}, {"kind": "local", "path": "a", "share": 0.6}], "add up to 1.1; make it"),
        ([{"kind": "synthetic", "share": 0.5}, {"kind": "local", "path": "a"}], "some sources have a share and others"),
        ([{"kind": "local", "path": "a"}, {"kind": "local", "path": "b"}], "two sources are called 'local'"),
        ([], "give either source or sources"),
    ],
)
def test_several_sources_that_do_not_go_together_are_one_sentence(experiment_data, sources, said):
    del experiment_data["source"]
    experiment_data["sources"] = sources
    with pytest.raises(ExperimentError, match=said):
        parse_experiment(experiment_data)


def test_source_beside_sources_is_refused(experiment_data):
    experiment_data["sources"] = [experiment_data["source"]]
    with pytest.raises(ExperimentError, match="give either source or sources"):
        parse_experiment(experiment_data)


def _with(path: str, value):
    def change(data):
        *parents, last = path.split(".")
        for key in parents:
            data = data[key]
        if value is None:
            del data[last]
        else:
            data[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_with("models.little.vllm", {}), "vllm takes a base_url"),
        (_with("models.little.vllm", {"base_url": "http://a/v1", "command": ["vllm", "serve"]}), "not both"),
        (_with("models.little.vllm", {"base_url": "gpu-box:8000"}), "must begin with http"),
        (_with("models.little.vllm", {"command": ["vllm"], "key_env": "K"}), "are for a server that runs"),
        (_with("models.little.vllm", {"base_url": "http://a/v1", "options": ["-O3"]}), "for a server that is started"),
        (
            _with("models.little", {"path": "x", "vllm": {"command": ["v"]}, "decoding": ["greedy", "constrained"]}),
            "constrained decoding is done by transformers",
        ),
        (_with("models", None), "models is missing"),
        (_with("modles", {}), "modles is not a known key"),
        (_with("models.little.pth", "x"), "models.little.pth is not a known key"),
        (_with("models.little.hub_id", "a/b"), "name exactly one of hub_id, miniature, path"),
        (_with("models.little-r4.extends", "litle"), "did you mean 'little'?"),
        (_with("models.little-r4.extends", "little-r4"), "goes round in a circle"),
        (_with("scales.tiny.train", 0), "scales.tiny.train"),
        (_with("scales.tiny.train", "many"), "scales.tiny.train"),
        (_with("models.a|b", {"path": "x"}), "holds '|'"),
        (_with("models.a--b", {"path": "x"}), "holds '--'"),
        (_with("models.big", {"path": "x"}), "is also a small model's name"),
        (_with("approaches.paper.trains", "sometimes"), "'always' or 'when_gate_says'"),
        (_with("approaches.paper.adapters", {"toolcall": "xml"}), "json-schema, native, openai, found 'xml'"),
        (_with("approaches.other", {}), "approaches.other"),
        (_with("approaches", {}), "approaches"),
        (_with("approaches.other", {"extends": "papper"}), "did you mean 'paper'?"),
        (_with("approaches.other", {"extends": "other"}), "approaches.other.extends goes round in a circle"),
        (_with("approaches.r 2", {"extends": "paper"}), "'r 2' cannot be part of an asset's name"),
        (
            _with("approaches.paper-constrained", {"extends": "paper"}),
            "the asset paper_constrained_evaluation",
        ),
        (_with("approaches.fledgling-toolcall", {"extends": "paper"}), "'fledgling' makes; give it another name"),
        (_with("approaches.none", {"extends": "paper"}), "'none' is taken"),
        (_with("approaches.paper-packed", {"extends": "paper"}), "the ending '-packed'"),
        (_with("approaches.paper-told-x", {"extends": "paper"}), "and '-told-'"),
        (
            _with("approaches.paper.method", "dpo"),
            "approaches.paper.method: no such training method: expected sft",
        ),
        (_with("approaches.paper.adapters", {"a": "hermes", "b": "hermes"}), "a and b both answer the toolcall track"),
        (
            _with("models.little.approaches", {"paper": {"adapters": {"extra": "fledgling-structured"}}}),
            "make it an approach of its own",
        ),
        (_with("models.little.approaches", {"papr": {}}), "papr is not an approach: expected fledgling or paper"),
        (_with("models.little.approaches", {"paper": {"lora": {"r": 0}}}), "models.little.approaches.paper: lora.r"),
        (_with("models.little.gpus", 3), "models.little.gpus with approach fledgling: the 2 rows of an optimiser step"),
        (_with("models.little.decoding", ["constrained"]), "[greedy] or [greedy, constrained]"),
        (_with("models.little.decoding", ["greedy", "beam"]), "'greedy' or 'constrained'"),
        (_with("gates", {"core_metrics": {}}), "name at least one core metric"),
        (_with("gates", {"primary_metric": "accuracy"}), "'field_f1'"),
        (_with("source.kind", "s3"), "source"),
        (_with("hosted_model.provider", "aws"), "'azure', 'openai' or 'stand-in'"),
        (_with("name", "My Agent"), "name"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence_that_names_the_key(experiment_data, change, said):
    change(experiment_data)
    with pytest.raises(ExperimentError) as refusal:
        parse_experiment(experiment_data)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_no_mapping_is_refused():
    with pytest.raises(ExperimentError, match="must be a mapping"):
        parse_experiment(["models"])


@pytest.mark.parametrize(("ask", "said"), [("small_model", "no model 'litle'"), ("scale", "no scale 'litle'")])
def test_an_unknown_name_is_answered_with_those_there_are(experiment_data, ask, said):
    with pytest.raises(ExperimentError, match=said):
        getattr(parse_experiment(experiment_data), ask)("litle")


def test_an_untouched_small_model_is_asked_in_its_own_tool_calls_and_a_miniature_in_hermes(experiment_data):
    added = {"own": {"hub_id": "a/b"}, "mini": {"miniature": "student"}}
    experiment = parse_experiment({**experiment_data, "models": {**experiment_data["models"], **added}})
    formats = [str(experiment.baseline_format(key, track)) for key in added for track in Track]
    assert formats == ["native", "fledgling-structured", "hermes", "fledgling-structured"]
