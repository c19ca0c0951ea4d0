"""The default experiment by both ways, its stand-ins and files as `benchmarks.real_size` makes them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.real_size_stand_ins import ANSWERS, Answers, write_answers
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.prompts import render_messages
from swap_assets_tests.domain.data_rows import request

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("written", [HERMES, FLEDGLING_STRUCTURED])
def test_a_stand_in_says_the_gold_in_the_format_that_the_prompt_asks_for(tmp_path, written):
    rows = [request(f"Light the {number} lamps of the hall") for number in range(200)]
    write_answers(tmp_path, rows)
    answers = Answers(tmp_path / ANSWERS)
    right = 0
    for row in rows:
        prompt = render_messages(row.tools, row.turns[:1], answer_format=written, style=PromptStyle.HERMES)
        said = answers.to([(each["role"], each["content"]) for each in prompt], "tuned")
        right += said == written.write(row.turns[1].calls, "")
    assert 170 <= right < 200


@pytest.mark.campaign
def test_the_rows_of_each_scale_and_split_are_told(tmp_path):
    command = [sys.executable, "-m", "benchmarks.real_size", "--only-splits", "--folder", str(tmp_path)]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=300).stdout
    for expected in ("| large | train | 1000 | 0 |", "| large | general_test | 200 |", "| large | release | 500 |"):
        assert expected in told, told


@pytest.mark.campaign
@pytest.mark.parametrize("way", [[], ["--sensors"]])
def test_every_asset_of_both_scales_is_materialised(tmp_path, way):
    sizes = ["--models", "1", "--sizes", "20/5/10,40/10/20", "--release", "20"]
    command = [sys.executable, "-m", "benchmarks.real_size", *sizes, *way, "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=1800)
    assert "Every asset is there at both scales." in done.stdout, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    results = list(tmp_path.glob("state/work/trainings/*/*/result.json"))
    assert len(results) == 6
    rows = [json.loads(file.read_text(encoding="utf-8"))["train_rows"] for file in results]
    assert all(each["lost"] <= 0.05 * each["read"] for each in rows), rows
