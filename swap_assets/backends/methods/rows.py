"""Reading training examples from disk, rendered into chat messages by the one renderer.

The examples lie as JSONL and not in Arrow: `datasets` fills the missing keys of ragged arguments with None and reads
`"02139"` as a number.
"""

from pathlib import Path

from pydantic import ValidationError

from swap_assets.domain.formats.base import AnswerFormat, PromptStyle
from swap_assets.domain.formats.prompts import Message, render_messages
from swap_assets.domain.tracks import TrainingExample


class ExamplesError(ValueError):
    """A file of examples cannot be used; the message is one sentence."""


def read_conversations(path: Path, answer_format: AnswerFormat, style: PromptStyle) -> list[list[Message]]:
    """Read one `TrainingExample` a line and render each as chat messages, the trained answer last.

    Raises:
        ExamplesError: the file is missing, empty or has a line that is no example.
    """
    try:
        # Not splitlines(): it also breaks at U+2028, which JSON strings may hold.
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise ExamplesError(f"{path} cannot be read ({error.strerror}): write the track's examples first") from None
    examples = [_example(line, path, number) for number, line in enumerate(lines, start=1) if line.strip()]
    if not examples:
        raise ExamplesError(f"{path} holds no examples: give the track at least one training row")
    return [
        render_messages(example.tools, example.turns, answer_format=answer_format, style=style) for example in examples
    ]


def _example(line: str, path: Path, number: int) -> TrainingExample:
    try:
        return TrainingExample.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]["msg"]
        raise ExamplesError(f"{path}, line {number} is no training example: {first}") from None
