"""What the teacher trains on after its pre-training: the demo's own kind of conversation, so that it can play the LLM.

Rows come from the demo's generator, from its training pool only and from a seed of the teacher's own; three rows in ten
go on with the pre-training stream, so that it does not forget how to copy. It never sees a phrasing, name or word that
is reserved for test rows.
"""

from swap_assets.backends.pretraining.exam import Question
from swap_assets.domain.contracts import Contract
from swap_assets.domain.conversations import Conversation
from swap_assets.domain.pretraining.stages import SECOND_STAGE
from swap_assets.domain.pretraining.stream import Message, pretraining_row
from swap_assets.domain.prompts import PromptStyle, render_messages
from swap_assets.domain.synthetic.generator import GeneratorSettings, generate
from swap_assets.domain.tracks import structured_track

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
        return _rendered(row, Contract.FLEDGLING_STRUCTURED, end=len(examples[0].turns))
    return _rendered(row, Contract.HERMES, end=row.assistant_turns()[-1] + 1)


def _rendered(row: Conversation, contract: Contract, *, end: int) -> list[Message]:
    return render_messages(row.tools, row.turns[:end], contract=contract, style=PromptStyle.COMPACT)


def exam_questions(contract: Contract, count: int, *, narrow: bool, pool: str = "test") -> list[Question]:
    """Return the last call (or the first turn that rightly calls nothing) of `count` rows of one of the pools."""
    changes = {"seed": EXAM_SEED, "rows": count, "test_share": float(pool == "test")}
    return [_question(row, contract) for row in generate((_NARROW if narrow else _WIDE).model_copy(update=changes))]


def _question(row: Conversation, contract: Contract) -> Question:
    calling = [turn for turn in row.assistant_turns() if row.turns[turn].calls]
    end = (calling or row.assistant_turns())[-1]
    messages = _rendered(row, contract, end=end + 1)
    words_will_do = contract is Contract.HERMES and not calling
    return Question(row.subcategory, tuple(messages[:-1]), messages[-1]["content"], words_will_do=words_will_do)
