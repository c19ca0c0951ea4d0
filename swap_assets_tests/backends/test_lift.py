"""What the guide's hundred rows do to the demo's student: trained, answered and scored by the product's own code."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from swap_assets.backends.engines import generate as answer
from swap_assets.backends.engines.generation import read_rows, write_rows
from swap_assets.backends.methods.sft import train
from swap_assets.backends.models.local_model import limit_threads, quiet_libraries
from swap_assets.backends.models.provenance import miniature_folder
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.specs import GenerateSpec, TrainSpec, Weights
from swap_assets.backends.store.experiment_file import load_experiment
from swap_assets.domain.experiment.sources import SyntheticSource
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.model import EvalCase
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.scoring.row_scoring import score_all
from swap_assets.domain.scoring.scores import RowScore, paired_difference
from swap_assets.domain.splits.capability_splits import select
from swap_assets.domain.splits.scale_split import split_scale
from swap_assets.domain.synthetic.generator import generate
from swap_assets.domain.tracks import TrackData, TrainingExample, toolcall_track

STUDENT = Weights(source=str(miniature_folder("student")), dtype="float32")
QUIET = Reporter(write=lambda _: None)


def demo_rows() -> tuple[list[TrainingExample], list[EvalCase], dict[str, object]]:
    """Return the demo's hundred training rows, its single-turn test on tools that they show, and the paper's recipe."""
    demo = load_experiment(Path(__file__).parents[2] / "examples" / "demo" / "swap.yaml")
    assert isinstance(demo.source, SyntheticSource)
    rows = list(generate(demo.source.generator))
    split = split_scale(rows, scale="small", scales=demo.scales, release_test=demo.release_test, seed=demo.seed)
    by_id = {row.id: row for row in rows}
    examples = toolcall_track([by_id[id_] for id_ in split.train], HERMES)
    sizes = demo.scale("small").test_splits
    tested = select("single_turn_test", conversations=rows, split=split, sizes=sizes)
    paper = demo.approaches["paper"]
    recipe = {"lora": paper.lora, "training": paper.training.model_copy(update={"quantisation": "none"})}
    return examples, [case for case in tested.cases if case.labels["tools"] == "seen"], recipe


def scored(folder: Path, cases: Sequence[EvalCase], adapter: Path | None) -> list[RowScore]:
    """Let the student answer with or without an adapter, and score it."""
    output = folder / ("tuned.jsonl" if adapter else "base.jsonl")
    answer(
        GenerateSpec(
            candidate_id="x", weights=STUDENT, adapter=adapter, cases_files=(folder / "cases.jsonl",),
            answer_format=HERMES, prompt_style=PromptStyle.COMPACT, max_new_tokens=160,
            threads=1, output=output,
        ),
        reporter=QUIET,
    )  # fmt: skip
    return score_all(cases, read_rows(output, PredictionRecord))


@pytest.mark.lasting
def test_a_hundred_rows_lift_whole_answers_on_known_tools_with_unseen_values_by_fifty_points(tmp_path: Path) -> None:
    quiet_libraries()
    limit_threads(1)
    examples, cases, recipe = demo_rows()
    assert len(examples) == 100
    (tmp_path / "data.json").write_text(TrackData(train=tuple(examples), validation=()).model_dump_json())
    write_rows(tmp_path / "cases.jsonl", cases)
    spec = TrainSpec.model_validate(
        {
            "candidate_id": "x", "weights": STUDENT, "data_file": tmp_path / "data.json", "threads": 1,
            "answer_format": HERMES, "prompt_style": PromptStyle.COMPACT, "output": tmp_path /
            "adapter", **recipe,
        }
    )  # fmt: skip
    (tmp_path / "work").mkdir()
    train(spec, folder=tmp_path / "work", reporter=QUIET)
    lift = paired_difference(scored(tmp_path, cases, spec.output), scored(tmp_path, cases, None), metric="exact_match")
    assert lift is not None and lift.rows >= 30
    assert lift.difference >= 0.5, lift
    assert lift.low > 0.3, lift
