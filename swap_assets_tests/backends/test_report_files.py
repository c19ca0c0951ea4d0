"""The report's files: all forms say the same, foreign text stays text, earlier reports are kept, and it stays small."""

import csv
import io
import json
import re
import time
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from swap_assets.backends.hub.cards import model_card
from swap_assets.backends.report.archive import (
    content_security_policy,
    previous_report,
    read_report,
    to_html,
    write_report,
)
from swap_assets.backends.report.build import answer_texts, training_runs
from swap_assets.backends.report.plots import draw_plots
from swap_assets.backends.store.artefacts import ArtefactStore
from swap_assets.cli.report import print_report
from swap_assets.domain.formats.base import Track
from swap_assets.domain.report.comparison import build_report
from swap_assets.domain.report.layout import lay_out
from swap_assets.domain.report.tables import cell, frame
from swap_assets.domain.report.tables import csv as to_csv
from swap_assets.domain.report.wording import percent
from swap_assets_tests.domain.evaluations import LLM, PAPER, SLM
from swap_assets_tests.domain.reports import full_inputs, full_report
from tools.report_schema import schema_words

SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    report = full_report()
    return report, write_report(report, tmp_path_factory.mktemp("report"))


def _rows(folder, name):
    with (folder / "csv" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_html_markdown_csv_and_json_hold_the_same_figures(written):
    report, folder = written
    page, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    data = json.loads((folder / "report.json").read_text())
    stored = {(item["candidate_id"], item["split"], item["label"], item["metric"]): item for item in data["figures"]}
    for note in report.candidates:
        for name, figure in report.main_figures(note.candidate_id, Track.TOOLCALL).items():
            assert stored[note.candidate_id, "", "", name]["value"] == figure.value
            assert f">{percent(figure)}<" in page
            assert cell(percent(figure)) in text
    for row in _rows(folder, "single_turn"):
        assert float(row["value"]) == stored[row["candidate"], "single_turn", row["label"], row["metric"]]["value"]
        assert f">{100 * float(row['value']):.1f}" in page
    for row in _rows(folder, "llm_comparison"):
        figures = (
            f"{float(row['delta_points']):+.1f} [{float(row['low_points']):+.1f} to {float(row['high_points']):+.1f}]"
        )
        assert figures in page
        assert cell(figures) in text
    wrong = {(row["candidate"], row["failure"]): row["count"] for row in _rows(folder, "failures") if row["count"]}
    counted = [item for item in report.figures if item.split == "failures"]
    assert len(counted) == len(wrong) > 3
    assert all(int(wrong[item.candidate_id, item.label]) == item.value for item in counted)
    cost = {(row["candidate"], row["figure"]): row["value"] for row in _rows(folder, "latency_cost")}
    assert float(cost[PAPER.id, "break_even_volume"]) == data["cost"]["break_even_volume"]
    assert f"{data['cost']['break_even_volume']:,.0f}" in page and f"{data['cost']['break_even_volume']:,.0f}" in text


def test_every_text_of_the_document_stands_in_the_page_and_in_the_markdown(written):
    report, folder = written
    page, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    for section in lay_out(report).sections:
        for table in section.tables:
            for value in (value for row in table.rows for value in row):
                assert cell(value) in text
                assert (
                    value.replace("&", "&amp;").replace("'", "&#39;").replace('"', "&#34;").replace(">", "&gt;") in page
                )


def test_all_seven_csv_files_are_there_and_none_is_empty(written):
    names = {path.stem for path in (written[1] / "csv").iterdir()}
    assert names == {"single_turn", "multi_turn", "json_quality", "domain_diversity", "llm_comparison", "latency_cost",
                     "failures"}  # fmt: skip
    assert all(_rows(written[1], name) for name in names - {"multi_turn"})


def test_the_whole_page_is_made_again_from_report_json_alone(written):
    again = read_report(written[1])
    assert again == written[0]
    assert to_html(lay_out(again), draw_plots(again)) == (written[1] / "report.html").read_text()


def test_the_page_has_no_script_no_inline_style_and_loads_nothing(written):
    page = (written[1] / "report.html").read_text()
    assert not re.search(r"<script|\son\w+=|\sstyle=|@import|url\(|<link|<iframe|<object|<form", page)
    assert not re.findall(r'(?:src|srcset|href)="(?!data:image/svg\+xml;base64,|#)', page)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert content_security_policy(style).replace("'", "&#39;") in page


def test_foreign_markup_is_text_in_every_form(tmp_path):
    report = full_report(SCRIPT)
    folder = write_report(report, tmp_path)
    page = (folder / "report.html").read_text()
    assert "<script" not in page and "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in (folder / "report.md").read_text()
    assert "<script" not in (folder / "model_cards" / PAPER.id / "MODEL_CARD.md").read_text()
    assert all("<script" not in plot.light for plot in draw_plots(report).values())


def test_a_text_that_looks_like_a_formula_is_text_in_csv_and_a_negative_number_a_number():
    values = ("=1+1", "+1", "-1", "@SUM(A1)", " =x", "\t=x", "\r=x", "plain", -1.5, 12, None)
    text = to_csv(frame(("a", "b"), ((value, "end") for value in values)))
    lines = [row[0] for row in csv.reader(io.StringIO(text, newline=""))][1:]
    assert lines[:5] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "' =x"]
    assert all(line.startswith("'") for line in lines[5:7])
    assert lines[7:] == ["plain", "-1.5", "12", ""]


def test_the_terminal_gets_no_control_character_and_no_markup():
    console = Console(width=160, record=True, force_terminal=False)
    print_report(full_report("a\x1b]0;owned\x07\x1b[2J[red]x[/red]"), console)
    shown = console.export_text()
    assert "\x1b" not in shown and "\x07" not in shown
    assert "[red]x[/red]" in shown


def test_the_same_report_has_the_same_bytes():
    def made():
        report = full_report()
        return to_html(lay_out(report), draw_plots(report))

    assert made() == made()


def test_every_plot_is_drawn_in_both_schemes_and_said_in_words(written):
    plots = draw_plots(written[0])
    assert {"scores", "comparison", "single_turn", "failures", "learning", "latency", "cost"} <= plots.keys()
    for name, plot in plots.items():
        assert plot.light != plot.dark, name
        assert re.search(r"\d", plot.words), name


def test_the_replaced_report_is_kept_where_the_evidence_differs_and_only_there(tmp_path):
    first = full_report()
    write_report(first, tmp_path)
    write_report(first.model_copy(update={"generated_at": "later"}), tmp_path)
    assert not (tmp_path / "previous").exists()
    second = first.model_copy(update={"facts": {**first.facts, "settings": "changed"}})
    write_report(second, tmp_path)
    (kept,) = (tmp_path / "previous").iterdir()
    assert first.evidence() in kept.name
    assert previous_report(tmp_path, second.evidence()).facts["settings"] == "abc"
    write_report(second.model_copy(update={"generated_at": "again"}), tmp_path)
    assert previous_report(tmp_path, second.evidence()).facts["settings"] == "abc"


def test_a_report_of_another_version_is_no_previous_one_and_stops_nothing(tmp_path):
    (tmp_path / "report.json").write_text('{"schema_version": 1}')
    assert read_report(tmp_path) is None
    assert previous_report(tmp_path, "x") is None
    write_report(full_report(), tmp_path)


def test_without_a_price_the_cost_is_not_computed_and_says_what_is_missing():
    found = full_report(price=None).cost
    assert found.break_even_volume is None
    assert "one hour of a GPU" in found.not_computed


def test_the_break_even_of_the_report_is_the_formula_on_its_own_inputs():
    found = full_report().cost
    known = {entry.key: entry.value for entry in found.inputs}
    assert known["hosted"] == pytest.approx(0.12 / 60)
    expected = known["gpu_hour"] * 730 / (known["hosted"] * (1 - known["fallback"]))
    assert found.break_even_volume == pytest.approx(expected)
    assert {entry.source for entry in found.inputs} == {"measured", "experiment file", "assumed"}


def test_the_model_card_is_the_hubs_format_with_the_measured_results():
    from huggingface_hub import ModelCard

    report = full_report()
    card = ModelCard(model_card(report, PAPER.id))
    results = {item.metric_type: item.metric_value for item in card.data.eval_results}
    assert results["field_f1"] == pytest.approx(
        report.main_figures(PAPER.id, Track.TOOLCALL)["field_f1"].value, abs=1e-6
    )
    assert card.data.base_model == "microsoft/Phi-4-mini-instruct"
    assert card.data.library_name == "peft"
    assert "fine tune decision" in card.text and "Limitations" in card.text
    assert yaml.safe_load(card.content.split("---")[1])["model-index"]


def test_examples_show_request_gold_llm_and_the_small_model_before_and_after():
    shown = full_report().examples
    assert shown.candidate_id == PAPER.id
    for examples in shown.failures.values():
        assert 1 <= len(examples) <= 3
        for example in examples:
            assert [answer.role for answer in example.answers] == ["LLM", "SLM before", "SLM after"]
            assert [LLM.id, SLM.id, PAPER.id] == [answer.text.split(" on ")[0] for answer in example.answers]


def test_answers_are_found_by_case_and_what_is_not_there_is_none(tmp_path):
    folder = tmp_path / "work" / "answers" / PAPER.id / "hermes"
    folder.mkdir(parents=True)
    lines = [{"case_id": 'a"b', "text": "first"}, {"case_id": 'a"b', "text": "last"}, {"case_id": "c", "text": "é"}]
    folder.joinpath("predictions.jsonl").write_text(
        "".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in lines) + '{"case_id":"ha'
    )
    texts = answer_texts(ArtefactStore(tmp_path))
    assert texts(PAPER.id, Track.TOOLCALL, 'a"b') == "last"
    assert texts(PAPER.id, Track.TOOLCALL, "c") == "é"
    assert texts(PAPER.id, Track.STRUCTURED, "c") is None


def test_a_broken_training_record_is_left_out(tmp_path):
    folder = tmp_path / "work" / "trainings" / PAPER.id / "toolcall"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text('{"kind": "train"')
    assert training_runs(ArtefactStore(tmp_path), "small") == ()


def test_twenty_candidates_make_a_small_page_in_little_time(tmp_path):
    inputs = full_inputs("A request. " * 200, rows=200)
    llm, slm, paper = inputs.evaluations
    others = [paper.model_copy(update={"candidate": paper.candidate.model_copy(update={"model": f"phi-{index}"})})
              for index in range(18)]  # fmt: skip
    began = time.process_time()
    report = build_report(inputs.model_copy(update={"evaluations": (llm, slm, *others)}))
    folder = write_report(report, tmp_path)
    assert time.process_time() - began < 10
    assert (folder / "report.html").stat().st_size < 3_000_000


def test_the_documentation_describes_report_json_as_it_is():
    text = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    assert schema_words() in text, "run: python -m tools.report_schema, and put it into docs/report.md"
