"""Only the assistant's tokens are trained, and no row is cut or lost without being counted."""

from typing import Any

import pytest

from swap_assets.backends.methods.data import IGNORED, MaskError, preview, tokenise
from swap_assets.backends.models.chat_template import end_of_turn

TALK = [
    {"role": "system", "content": "s é"},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "first"},
    {"role": "tool", "content": "t"},
    {"role": "assistant", "content": "second"},
]


def test_every_assistant_turn_is_trained_with_its_end_and_nothing_else(tokenizer: Any) -> None:
    rows, counts = tokenise(tokenizer, [TALK], max_length=1000)
    trained = tokenizer.decode([label for label in rows[0].labels if label != IGNORED])
    assert trained == "first<|im_end|>second<|im_end|>"
    assert (counts.cut, counts.lost, counts.trained_tokens) == (0, 0, len("first") + len("second") + 2)


def test_the_preview_shows_what_is_trained(tokenizer: Any) -> None:
    rows, _ = tokenise(tokenizer, [TALK], max_length=1000)
    shown = preview(tokenizer, rows[0])
    assert "⟦first<|im_end|>⟧" in shown and "s é" in shown
    assert shown.replace("⟦", "").replace("⟧", "") == tokenizer.decode(rows[0].input_ids)


def test_cut_and_lost_rows_are_counted(tokenizer: Any) -> None:
    long = [{"role": "user", "content": "x" * 200}, {"role": "assistant", "content": "y"}]
    rows, counts = tokenise(tokenizer, [TALK, long, TALK[:3]], max_length=60)
    assert (counts.read, counts.used, counts.cut, counts.lost) == (3, 2, 2, 1)
    assert all(len(row.input_ids) <= 60 and row.trained for row in rows)
    assert counts.longest > 200
    assert counts.tokens == sum(len(row.input_ids) for row in rows)


def test_rows_that_all_lose_their_answer_are_an_error_that_names_the_setting(tokenizer: Any) -> None:
    with pytest.raises(MaskError, match="max_length"):
        tokenise(tokenizer, [TALK], max_length=20)


def test_a_row_without_an_assistant_turn_is_an_error(tokenizer: Any) -> None:
    with pytest.raises(MaskError, match="row 1"):
        tokenise(tokenizer, [TALK, TALK[:2]], max_length=100)


def test_the_end_of_a_turn_is_the_token_that_the_template_trains_last(tokenizer: Any) -> None:
    assert tokenizer.convert_ids_to_tokens(end_of_turn(tokenizer)) == "<|im_end|>"
