"""The chat templates of the package, and what becomes of a model whose template has no marks."""

from pathlib import Path
from typing import Any

import pytest

from swap_assets.backends.methods.data import tokenise
from swap_assets.backends.models.local_model import TemplateError, ensure_training_template, has_generation_marks

FOLDER = Path(__file__).parents[2] / "swap_assets" / "backends" / "models" / "chat_templates"
TEMPLATES = sorted(FOLDER.glob("*.jinja"))
TALK = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": "q"},
    {"role": "assistant", "content": "a1"},
    {"role": "tool", "content": "r"},
    {"role": "assistant", "content": "a2"},
]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_what_is_asked_is_the_beginning_of_what_was_trained(path: Path, tokenizer: Any) -> None:
    template = path.read_text(encoding="utf-8")
    for turns in (2, 4):
        asked = tokenizer.apply_chat_template(
            TALK[:turns], chat_template=template, tokenize=False, add_generation_prompt=True
        )
        trained = tokenizer.apply_chat_template(TALK[: turns + 1], chat_template=template, tokenize=False)
        assert trained.startswith(asked)
        assert trained[len(asked) :].startswith(TALK[turns]["content"] + "<|")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_the_template_marks_the_assistant(path: Path, tokenizer: Any) -> None:
    assert has_generation_marks(path.read_text(encoding="utf-8"))


class _Plain:
    """A tokenizer as far as templates go."""

    def __init__(self, template: str | dict[str, str]) -> None:
        self.chat_template = template


def test_a_plain_template_of_a_known_family_is_replaced_by_the_marked_one() -> None:
    plain = _Plain("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}")
    ensure_training_template(plain, "x")  # type: ignore[arg-type]
    assert has_generation_marks(str(plain.chat_template))


def test_a_template_that_has_the_marks_stays_as_it_is() -> None:
    own = "{% for m in messages %}{%- generation -%}{{ m.content }}{% endgeneration %}{% endfor %}"
    assert ensure_training_template(_Plain({"default": own}), "x") == own  # type: ignore[arg-type]


def test_a_model_without_any_template_is_refused_with_what_to_do(tokenizer: Any) -> None:
    with pytest.raises(TemplateError, match=r"some/model .*generation"):
        ensure_training_template(_Plain(""), "some/model")  # type: ignore[arg-type]


def test_the_families_are_told_apart_by_their_own_signs() -> None:
    signs = {"<|tool|>": "<|end|>", "<|start_header_id|>": "<|eot_id|>", "<|im_start|>": "<|im_end|>"}
    for sign, end in signs.items():
        plain = _Plain(sign)
        assert end in ensure_training_template(plain, "x")  # type: ignore[arg-type]


def test_a_tokenised_row_of_the_tiny_model_ends_as_its_template_says(tokenizer: Any) -> None:
    rows, _ = tokenise(tokenizer, [TALK], max_length=500)
    assert tokenizer.decode(rows[0].input_ids).endswith("a2<|im_end|>\n")
