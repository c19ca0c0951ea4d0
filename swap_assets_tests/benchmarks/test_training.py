"""The training benchmark compares like with like: it would notice curves that differ and rows that vanish."""

import importlib
import sys
import time
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, run
from benchmarks.training import on_card, parse, ways
from benchmarks.training_models import config_of, frozen_parameters, make_model
from benchmarks.training_rows import Lengths, prepare, synthetic_rows
from benchmarks.training_tables import curves_agree, difference, lost_rows
from benchmarks.training_ways import Job, Measured, Way, measure
from swap_assets.backends.methods.batches import BatchPlan
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.prompts import render_messages

ONE = BatchPlan(micro_batch=1, accumulation=2)
LENGTHS = Lengths(
    read=12, used=8, tokens=80, trained=8, characters_a_token=3.0, assistant_share=0.1,
    lost={2048: 4, 1024: 9}, cut={2048: 6, 1024: 10},
)  # fmt: skip


def measured(*losses: float, rows: int = 8, told: int = 0) -> Measured:
    return Measured(rows, told, losses, tuple(1.0 for _ in losses), 100, 50, ONE)


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "quantisation", "epochs"), [("tiny", "none", 1), ("phi-tiny", "nf4", 2)])
def test_plain_trl_and_ours_have_the_same_losses_and_trl_alone_loses_rows_silently(
    shape: str, quantisation: str, epochs: int, tmp_path: Path
) -> None:
    lengths = prepare(synthetic_rows(40), tmp_path, vocabulary=512, used=4, caps=(1400, 1024))
    config_of(shape).save_pretrained(tmp_path)
    turns: list[str] = []
    results = [
        measure(
            Job(way, tmp_path, shape, quantisation, "cpu", 2, 1, 1400, 1e-2, epochs), turn=lambda: turns.append("step")
        )
        for way in (ways(2, 1, "cpu", packing=False)[0], Way("ours", ours=True))
    ]
    plain, ours = results
    assert isinstance(plain, Measured) and isinstance(ours, Measured)
    assert difference([plain.losses, ours.losses]) < 1e-3
    assert len(plain.losses) == 2 * epochs and plain.losses[0] != plain.losses[1]
    assert len(turns) == 4 * epochs
    assert len(plain.seconds) == len(ours.seconds) == 2  # the last epoch alone is timed
    assert ours.plan == ONE
    assert lengths.read - plain.rows == ours.told == lengths.lost[1400] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "parameters", "head"),
    [("llama-3.1-8b", 8.03e9, 0.065), ("phi-4-mini", 3.836e9, 0.16), ("9m", 9.44e6, 0.167)],
)
def test_the_shapes_have_the_sizes_of_the_models_that_they_are_named_after(
    shape: str, parameters: float, head: float
) -> None:
    every, in_maps, share = frozen_parameters(shape)
    assert every == pytest.approx(parameters, rel=2e-3)
    assert share == pytest.approx(head, abs=5e-3)
    assert in_maps < every


@pytest.mark.slow
def test_nf4_stores_every_map_but_the_head_in_four_bits() -> None:
    model = make_model("phi-tiny", device="cpu", quantisation="nf4")
    small = model.get_submodule("model.layers.1.mlp.gate_up_proj").weight
    assert str(small.dtype) == "torch.uint8" and small.quant_state is not None
    assert small.numel() == 64 * 256 // 2
    assert str(model.get_output_embeddings().weight.dtype) == "torch.float32"


def test_curves_that_differ_by_more_than_the_tolerance_fail_the_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = [Way("plain trl", ONE), Way("ours", ours=True), Way("ours, packed", ours=True, packing=True)]
    packed = measured(9.0)
    near, far = [measured(2.0, 1.0), measured(2.0, 1.0005), packed], [measured(2.0, 1.0), measured(2.0, 1.01), packed]
    assert curves_agree(chosen, near, tolerance=1e-3, target=2.5)
    assert not curves_agree(chosen, far, tolerance=1e-3, target=2.5)
    assert "BEYOND" in capsys.readouterr().out


def test_curves_of_different_lengths_or_none_at_all_do_not_agree() -> None:
    assert difference([(2.0, 1.0), (2.0,)]) == float("inf")
    assert difference([]) == difference([(), ()]) == float("inf")
    assert difference([(2.0, 1.0), (2.5, 1.0)]) == 0.5


def test_rows_that_vanish_without_a_word_are_counted_for_each_trainer() -> None:
    chosen = [Way("plain trl", ONE), Way("ours", ours=True)]
    text = lost_rows(chosen, [measured(1.0), measured(1.0, told=4)], LENGTHS)
    assert "4 in plain trl, 0 in ours" in text
    assert "1 in ours" in lost_rows(chosen, [measured(1.0), measured(1.0, told=3)], LENGTHS)


def test_synthetic_rows_are_as_long_as_those_of_hermes() -> None:
    style = {"answer_format": HERMES, "style": PromptStyle.HERMES}
    rows = [render_messages(row.tools, row.turns, **style) for row in synthetic_rows(200)]
    lengths = sorted(sum(len(message["content"]) for message in messages) for messages in rows)
    long = [length for length in lengths if length > 11_000]
    assert 60 <= len(long) <= 100
    assert 2_500 < lengths[(len(lengths) - len(long)) // 2] < 4_500


def test_without_a_card_the_card_part_is_one_sentence_and_no_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert on_card(parse([]))
    assert capsys.readouterr().out.strip().count("\n") == 0


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_listed_benchmark_can_be_started(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{name}").main)


def test_a_benchmark_that_takes_too_long_is_interrupted_and_tidies_up(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, tempfile, time\n"
        "with tempfile.TemporaryDirectory(dir=sys.argv[1]):\n"
        "    pathlib.Path(sys.argv[1], 'begun').touch()\n"
        "    time.sleep(60)\n"
    )
    began = time.monotonic()
    assert run([sys.executable, "-c", code, str(tmp_path)], seconds=3) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["begun"]
    assert time.monotonic() - began < 50
    assert run([sys.executable, "-c", "raise SystemExit(3)"], seconds=30) == 3
