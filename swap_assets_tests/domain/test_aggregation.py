"""A candidate's summary: what is counted where, and what the domain figures say."""

import time

import numpy as np
import pytest

from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.metrics import row_metrics
from swap_assets.domain.model import EvalCase, ToolCall
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.scoring.aggregation import domain_spread, summarise
from swap_assets.domain.scoring.row_scoring import score_all
from swap_assets.domain.scoring.scores import EvalSummary, RowScore


def row(number: int, f1: float | None = 1.0, **values) -> RowScore:
    base = {"case_id": f"case {number}", "conversation_id": f"c{number}", "origin": "real", "field_f1": f1}
    return RowScore.model_validate(base | values)


def case(number: int, *, calls: tuple[ToolCall, ...] = (ToolCall(name="f", arguments={"a": 1}),)) -> EvalCase:
    return EvalCase(
        id=f"case {number}",
        conversation_id=f"c{number}",
        turn=0,
        tools=(),
        history=(),
        gold_calls=calls,
        labels={"single_turn": "simple"},
        origin="real",
    )


def record(number: int, text: str = "", finish: str = "stop") -> PredictionRecord:
    return PredictionRecord.model_validate(
        {
            "case_id": f"case {number}",
            "conversation_id": f"c{number}",
            "candidate_id": "x",
            "answer_format": "hermes",
            "request_hash": "",
            "prompt_hash": "",
            "text": text,
            "finish_reason": finish,
        }
    )


def summarised(*records: PredictionRecord) -> EvalSummary:
    return summarise("x", HERMES, score_all([case(1), case(2)], records))


RIGHT = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'


def test_a_case_without_a_record_or_with_a_transport_error_is_unscored_counted_and_never_wrong():
    scores = score_all([case(1), case(2), case(3)], [record(1, RIGHT), record(2, finish="error")])
    found = summarise("x", HERMES, scores)
    assert (found.cases, found.scored, found.unscored, found.complete) == (3, 1, 2, False)
    assert found.metrics["exact_match"].value == 1.0 and found.metrics["exact_match"].n == 1
    assert found.failures == {"not_obtained": 2}


def test_a_refusal_counts_as_wrong_and_stays_in_the_denominator():
    found = summarised(record(1, RIGHT), record(2, finish="content_filter"))
    assert found.complete and found.metrics["exact_match"].value == 0.5


def test_two_records_for_one_case_and_a_record_for_no_case_are_errors_that_say_which():
    with pytest.raises(ValueError, match="case 1"):
        score_all([case(1)], [record(1), record(1)])
    with pytest.raises(ValueError, match="case 9"):
        score_all([case(1)], [record(9)])


def test_strict_figures_stand_beside_the_lenient_ones():
    found = summarised(record(1, RIGHT), record(2, "Sure! " + RIGHT))
    assert found.value("exact_match") == 1.0 and found.value("exact_match_strict") == 0.5
    assert found.value("field_f1_strict") == 0.5 and found.value("format_compliance") == 0.5
    assert found.micro["field_recall"].value == 1.0 and found.micro["field_recall_strict"].value == 0.5


def test_micro_counts_fields_and_macro_counts_rows():
    long = row(1, 1.0, true_positives=9, predicted_fields=9, gold_fields=9)
    short = row(2, 0.0, true_positives=0, predicted_fields=1, gold_fields=1)
    assert summarise("x", HERMES, [long, short]).metrics["field_f1"].value == 0.5
    assert summarise("x", HERMES, [long, short]).micro["field_f1"].value == pytest.approx(0.9)


def test_an_invalid_answer_costs_micro_precision_too():
    two = (ToolCall(name="f", arguments={"a": 1, "b": 2}),)
    scores = score_all([case(1), case(2, calls=two)], [record(1, RIGHT), record(2, "<tool_call>nonsense")])
    found = summarise("x", HERMES, scores).micro
    assert found["field_precision"].value == pytest.approx(1 / 3)
    assert found["field_recall"].value == pytest.approx(1 / 3)


def test_figures_are_kept_apart_by_label_and_by_origin():
    hard = row(2, 0.0, labels={"single_turn": "hard"}, origin="synthetic")
    scores = [row(1, 1.0, labels={"single_turn": "simple"}), hard]
    found = summarise("x", HERMES, scores)
    assert found.by_label["single_turn"]["simple"]["field_f1"].value == 1.0
    assert found.by_label["single_turn"]["all"]["field_f1"].value == 0.5
    assert found.by_origin["synthetic"]["field_f1"].value == 0.0


def test_no_scored_row_gives_figures_without_a_value_and_no_error():
    found = summarise("x", HERMES, score_all([case(1)], []))
    assert set(row_metrics()) == set(found.metrics)
    assert all(metric.value is None and metric.n == 0 for metric in found.metrics.values())
    assert summarise("x", HERMES, []).cases == 0


def test_a_summary_survives_its_json():
    found = summarise("x", HERMES, score_all([case(1), case(2)], [record(1, RIGHT), record(2, "no")]))
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_failures_carry_the_first_case_ids_as_examples():
    found = summarise("x", HERMES, score_all([case(n) for n in range(5)], [record(n, "") for n in range(5)]))
    assert found.failures == {"empty": 5}
    assert found.failure_examples == {"empty": ("case 0", "case 1", "case 2")}


def test_120_rows_take_well_under_a_second():
    generator = np.random.default_rng(1)
    scores = [
        row(n, float(generator.random()), labels={"single_turn": "abc"[n % 3], "domain": "defghijk"[n % 8]})
        for n in range(120)
    ]
    summarise("x", HERMES, scores)
    started = time.process_time()
    summarise("x", HERMES, scores)
    assert time.process_time() - started < 1.0


def domains_of_equal_quality(seed: int, *, true_deviation: float = 0.0, rows: int = 5) -> dict[str, list[RowScore]]:
    generator = np.random.default_rng(seed)
    found = {}
    for label in "abcdefghij":
        mean = 0.7 + true_deviation * generator.standard_normal()
        values = np.clip(mean + 0.33 * generator.standard_normal(rows), 0, 1)
        found[label] = [row(n, float(value), conversation_id=f"{label}{n}") for n, value in enumerate(values)]
    return found


def test_with_five_rows_a_domain_equal_quality_often_fails_the_raw_rule_and_passes_the_corrected_one():
    spreads = [domain_spread(domains_of_equal_quality(seed)) for seed in range(60)]
    raw = [spread["domain_deviation"].value or 0.0 for spread in spreads]
    corrected = [spread["domain_deviation_corrected"].value or 0.0 for spread in spreads]
    assert np.mean(corrected) < 0.5 * np.mean(raw)
    covered = [(spread["domain_deviation_corrected"].low or 0.0) == 0.0 for spread in spreads]
    assert np.mean(covered) > 0.85  # 97.5 % by the theory of normal means


def test_a_true_spread_is_found_again_after_the_correction():
    spreads = [domain_spread(domains_of_equal_quality(seed, true_deviation=0.2, rows=40)) for seed in range(30)]
    assert np.mean([spread["domain_deviation_corrected"].value or 0.0 for spread in spreads]) == pytest.approx(
        0.17, abs=0.05
    )


def test_domains_more_alike_than_chance_makes_them_are_bound_by_the_raw_deviation():
    """Two values 0.6 apart in each of ten domains whose means differ by 0.02: no true spread fits so well."""
    alike = {
        label: [row(n, mean - 0.3, conversation_id=f"{label}1"), row(n, mean + 0.3, conversation_id=f"{label}2")]
        for n, (label, mean) in enumerate((label, 0.5 + 0.02 * (n % 2)) for n, label in enumerate("abcdefghij"))
    }
    found = domain_spread(alike)
    corrected, raw = found["domain_deviation_corrected"], found["domain_deviation"]
    assert (corrected.value, corrected.low) == (0.0, 0.0) and corrected.high == raw.value == pytest.approx(
        0.0105, abs=1e-4
    )


def test_the_weakest_domain_is_named():
    found = domain_spread({"good": [row(1, 1.0), row(2, 0.9)], "bad": [row(3, 0.2), row(4, 0.4)]})
    assert found["domain_lowest"].value == pytest.approx(0.3)
    assert found["domain_lowest"].method == "lowest: bad"


def test_one_domain_alone_has_no_spread():
    assert domain_spread({"only": [row(1, 1.0)]}) == {}
