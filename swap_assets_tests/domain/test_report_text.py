"""What others wrote stays text in Markdown, and nothing in it hides."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from swap_assets.domain.report.layout import lay_out, to_markdown
from swap_assets.domain.report.tables import Table, cell, csv, frame, markdown_table, terminal
from swap_assets.domain.report.wording import excerpt, visible
from swap_assets_tests.domain.reports import full_report

HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[link](javascript:alert(1))", "![i](http://a.b/c.png)",
    "**bold** _it_ `code` ~~no~~", "# heading", "- list", "1. one", "| a | b |", "```\nfence", "<!-- comment -->",
    "&lt;b&gt; &#60;", "https://evil.example/x www.evil.example a@b.example", "$x$ \\(y\\)", "a\n\n---\n\nb", "> quote",
]  # fmt: skip
_RENDER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def _tags(html: str) -> set[str]:
    return set(re.findall(r"</?([a-z0-9]+)", html))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_opens_no_markup_in_a_paragraph_or_a_cell(text):
    assert _tags(_RENDER.render(cell(text))) <= {"p"}
    rendered = _RENDER.render(markdown_table(["a", "b"], [[text, "end"]]))
    assert _tags(rendered) <= {"table", "thead", "tbody", "tr", "th", "td"}
    assert rendered.count("<td>") == 2


@given(st.text(max_size=80))
def test_any_text_at_all_is_one_cell_of_text(text):
    rendered = _RENDER.render(markdown_table(["a"], [[f"x{text}"]]))
    assert _tags(rendered) <= {"table", "thead", "tbody", "tr", "th", "td"}
    assert rendered.count("<td>") == 1


def test_a_whole_report_of_hostile_text_renders_no_script_image_link_or_code():
    rendered = _RENDER.render(to_markdown(lay_out(full_report(" ".join(HOSTILE)))))
    assert not _tags(rendered) & {"script", "img", "a", "em", "del", "ol", "ul"}
    assert "alert(1)" in rendered


def test_one_table_has_the_same_cells_in_markdown_csv_and_on_a_terminal():
    made = Table(
        "t", "Two candidates", frame(("candidate", "rows", "score"), [("a", 12, "36.7"), ("b", None, "✓ yes")])
    )
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(terminal(made))
    assert csv(made.frame) == "candidate,rows,score\r\na,12,36.7\r\nb,,✓ yes\r\n"
    assert "| a | 12 | 36.7 |" in markdown_table(made.header, made.rows)
    told = console.export_text()
    assert all(value in told for value in ("Two candidates", "candidate", "12", "36.7", "✓ yes"))


def test_figures_are_written_as_they_are():
    assert cell("+22.0 [+10.8 to +32.8]") == "+22.0 \\[+10.8 to +32.8\\]"
    assert cell("36.7") == "36.7"
    assert markdown_table(["a"], []) == ""


def test_control_and_direction_characters_become_visible():
    assert visible("a\x1b[31mb\u202ec\u200bd\u2028e") == "a⟨U+001B⟩[31mb⟨U+202E⟩c⟨U+200B⟩d⟨U+2028⟩e"
    assert visible("a\nb", keep_lines=False) == "a b"
    assert visible("नमस्ते 👩‍👩‍👧 ünï") == "नमस्ते 👩‍👩‍👧 ünï"


@given(st.text())
def test_visible_text_has_nothing_that_moves_a_cursor(text):
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]", visible(text))


def test_a_long_text_is_cut_and_says_so_and_a_lone_surrogate_can_be_written():
    assert excerpt("x" * 1000, 10) == "xxxxxxxxxx… (990 more characters)"
    assert excerpt("a\ud800b").encode() == "a⟨U+D800⟩b".encode()
