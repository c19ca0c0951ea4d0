"""What the teacher trains on after its pre-training: the demo's own kind of conversation, so that it can play the LLM.

Rows come from the demo's generator, from its training pool only and from a seed of the teacher's own; three rows in ten
go on with the pre-training stream, so that it does not forget how to copy. It never sees a phrasing, name or word that
is reserved for test rows.
"""

from swap_assets.domain.formats.base import AnswerFormat, PromptStyle
from swap_assets.domain.formats.fledgling import FLEDGLING_STRUCTURED
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.prompts import render_messages
from swap_assets.domain.model import Conversation
from swap_assets.domain.synthetic.generator import GeneratorSettings, generate
from swap_assets.domain.tracks import structured_track
from tools.miniatures.exam import Question
from tools.miniatures.stages import SECOND_STAGE
from tools.miniatures.stream import Message, pretraining_row

TRAINING_SEED = 60_013
EXAM_SEED = 60_029
_STREAM_OFFSET = SECOND_STAGE + 1_000_000  # rows of the pre-training stream that the student never came to
_WIDE = GeneratorSettings(rows=2**31, seed=TRAINING_SEED, test_share=0.0)
_NARROW = _WIDE.model_copy(update={"tools_per_domain": 1, "max_distractors": 1, "verbatim_values": True})


def teacher_conversation(seed: int, index: int) -> list[Message]:
    """Return row `index` of the teacher's stream as chat messages, every assistant message a training target."""
    if index % 10 < 3:
        return list(pretraining_row(seed, _STREAM_OFFSET + index).messages)
    row = next(generate(_NARROW if index % 2 else _WIDE, start=index))
    if index % 10 < 6 and (examples := structured_track([row])):
        return _rendered(row, FLEDGLING_STRUCTURED, end=len(examples[0].turns))
    return _rendered(row, HERMES, end=row.assistant_turns()[-1] + 1)


def _rendered(row: Conversation, answer_format: AnswerFormat, *, end: int) -> list[Message]:
    return render_messages(row.tools, row.turns[:end], answer_format=answer_format, style=PromptStyle.COMPACT)


def exam_questions(answer_format: AnswerFormat, count: int, *, narrow: bool, pool: str = "test") -> list[Question]:
    """Return the last call (or the first turn that rightly calls nothing) of `count` rows of one of the pools."""
    changes = {"seed": EXAM_SEED, "rows": count, "test_share": float(pool == "test")}
    return [
        _question(row, answer_format) for row in generate((_NARROW if narrow else _WIDE).model_copy(update=changes))
    ]


def _question(row: Conversation, answer_format: AnswerFormat) -> Question:
    calling = [turn for turn in row.assistant_turns() if row.turns[turn].calls]
    end = (calling or row.assistant_turns())[-1]
    messages = _rendered(row, answer_format, end=end + 1)
    words_will_do = not (answer_format.no_call or calling)
    return Question(row.subcategory, tuple(messages[:-1]), messages[-1]["content"], words_will_do=words_will_do)
