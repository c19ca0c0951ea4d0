"""The seeded stream that the demo's miniature models are pre-trained on: short made-up function-calling conversations.

Tools, parameters, phrasings and answer formats are foreign to the demo, values come from open vocabularies, and one
row in five is a copy drill: what a model can learn here is to read a tool list, to choose, and to copy. One row:

    system     mend_barrel(owner: string; tally?: integer)
               Reply <act fn> args </act>
    user       Please mend the barrel for Drusa Weick.
    assistant  <act fn="mend_barrel">{"owner": "Drusa Weick"}</act>

The values live in `pretraining_values`, tool lists and answer formats in `pretraining_formats`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from swap_assets.domain.pretraining_drills import drill
from swap_assets.domain.pretraining_formats import AnswerFormat, Call, Parameter, Tool, draw_format, list_tools
from swap_assets.domain.pretraining_values import Vocabulary, listed

Message = dict[str, str]
DRILL_SHARE = 0.2
NOTHING_FITS = "Nothing here can do that."

_VERBS = listed(
    "mend paint polish brew harvest launch repair weld plant fold sew carve tune feed groom milk shear sort stack "
    "weigh mix bake roast heat cool fill drain lift lower park tow wash dry sharpen engrave inspect register rent lend "
    "store wrap seal test clean grind press bind trim shape stain glaze rig anchor steer"
)
_NOUNS = listed(
    "barrel lantern boat violin tractor beehive telescope kiln greenhouse orchard horse wagon anvil loom canoe clock "
    "drum engine fence goat hammer kettle ladder mill net oven piano quilt raft saddle tent urn vase wheel yacht bell "
    "cabin dome easel flute globe harp ingot jar kite lens mast needle oar pump reel sail tile"
)
_PARAMETERS = {
    "person": listed("owner keeper pilot guest captain maker rider tutor"),
    "place": listed("town harbour village depot yard stable origin port"),
    "word": listed("brand label shade grade mark species blend style"),
    "words": listed("motto remark caption note purpose legend reason memo"),
    "whole": listed("tally count weight rows depth pieces level age"),
    "decimal": listed("ratio width gauge price span height share load"),
    "day": listed("day due since born begin finish last_day seen_on"),
    "clock": listed("hour at_hour start_at ring_at closing shift"),
    "mail": listed("mail contact reply_to inbox owner_mail sender"),
    "code": listed("code serial badge ticket ref key_no permit"),
    "file": listed("file source target sheet photo log_file"),
    "flag": listed("urgent rush insured spare fragile indoor"),
    "several": listed("tags parts colours items crew steps"),
    "choice": listed("size mode variety finish_as rank season_of"),
    "record": listed("crate lot bundle detail setup frame"),
}
_KIND_WEIGHTS = (4, 3, 3, 3, 4, 2, 3, 2, 2, 3, 1.5, 1.5, 1, 2, 0.5)
_CUES = {
    "person": ("for {v}", "for {v}", "that belongs to {v}"),
    "place": ("in {v}", "at {v}", "near {v}", "over in {v}"),
    "word": ("using {v}", "of type {v}"),
    "words": ('saying "{v}"', "saying '{v}'", "that says {v}", 'with the words "{v}"'),
    "whole": ("{v} times", "with {v} of them", "counting {v}"),
    "decimal": ("at {v}", "to {v}", "up to {v}"),
    "day": ("on {v}", "by {v}", "on {v}"),
    "clock": ("at {v}", "around {v}", "from {v}"),
    "mail": ("and write to {v}", "with a copy to {v}", "via {v}"),
    "code": ("under {v}", "number {v}", "with #{v}"),
    "file": ("from {v}", "into {v}"),
    "several": ("including {v}", "with {v}"),
    "choice": ("the {v} way", "as {v}"),
}
_NAMED = ("{n} {v}", "{n} {v}", "with {n} {v}", "{n}: {v}", "{n}={v}", "{n} is {v}", "{v} as the {n}", "set {n} to {v}")
_MONTHS = listed("January February March April May June July August September October November December")
_OPENINGS = (
    "Please {}",
    "{}",
    "{}",
    "Can you {}",
    "I need you to {}",
    "Could you {}",
    "I want to {}",
    "Now {}",
    "Hi, {}",
)
_JOINTS = (" and then ", ". Also ", ", and also ", "; then ", ". After that ")
_NAMINGS = ("{v}_{n}", "{v}_{n}", "{v}_{n}", "{n}_{v}", "{n}.{v}", "{v}-{n}")


@dataclass(frozen=True)
class PretrainingRow:
    """One conversation; every assistant message is a training target. `kind` says what it drills."""

    kind: str
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class _Request:
    text: str
    call: Call


def pretraining_row(seed: int, index: int, *, held_out: bool = False) -> PretrainingRow:
    """Return row `index` of the stream of `seed`; with `held_out`, no word in it is one that training draws."""
    random = Random(f"pretraining:{seed}:{index}")
    vocabulary = Vocabulary(random, held_out=held_out)
    if random.random() < DRILL_SHARE:
        return PretrainingRow("drill", drill(random, vocabulary))
    return _Composer(random, vocabulary).row()


def pretraining_rows(seed: int, start: int, stop: int, *, held_out: bool = False) -> Iterator[PretrainingRow]:
    """Yield rows `start` to `stop` of the stream of `seed`."""
    return (pretraining_row(seed, index, held_out=held_out) for index in range(start, stop))


class _Composer:
    """Writes one conversation: draws its tools, its answer format, and what is asked."""

    def __init__(self, random: Random, vocabulary: Vocabulary) -> None:
        self._random = random
        self._vocabulary = vocabulary
        self._tools = self._draw_tools()
        self._format: AnswerFormat = draw_format(random)

    def row(self) -> PretrainingRow:
        lines = [list_tools(self._random, self._tools), self._format.sentence]
        system = {"role": "system", "content": "\n".join(lines if self._random.random() < 0.7 else lines[::-1])}
        draw = self._random.random()
        if draw < 0.04:
            kind, turns = "nothing_fits", self._nothing_fits()
        elif draw < 0.08:
            kind, turns = "asks_back", self._asks_back()
        elif draw < 0.18:
            kind, turns = "tool_turn", self._with_tool_turn()
        else:
            count = self._random.choices((1, 2, 3), (74, 21, 5))[0]
            kind, turns = ("single" if count == 1 else "several"), self._calls(count)
        return PretrainingRow(kind, (system, *turns))

    def _draw_tools(self) -> list[Tool]:
        count = self._random.choices((1, 2, 3, 4), (2, 3, 3, 2))[0]
        nouns = self._random.sample(_NOUNS, count)
        if count > 1 and self._random.random() < 0.5:
            nouns[1] = nouns[0]
        verbs = self._random.sample(_VERBS, count)
        if count > 2 and self._random.random() < 0.5 and nouns[1] != nouns[2]:
            verbs[2] = verbs[1]
        naming = self._random.choice(_NAMINGS)
        return [self._tool(naming, verb, noun) for verb, noun in zip(verbs, nouns, strict=True)]

    def _tool(self, naming: str, verb: str, noun: str) -> Tool:
        if self._random.random() < 0.2:
            noun = self._vocabulary.word()
        count = self._random.choices((1, 2, 3, 4), (4, 4, 2, 1))[0]
        parameters: dict[str, Parameter] = {}
        for kind in self._random.choices(list(_PARAMETERS), _KIND_WEIGHTS, k=count):
            telling = kind in _CUES and self._random.random() < 0.8
            name = self._random.choice(_PARAMETERS[kind]) if telling else self._vocabulary.word()
            required = not parameters or self._random.random() < 0.75
            options = self._vocabulary.options() if kind == "choice" else ()
            parameters.setdefault(name, Parameter(name, kind, required, telling, options))
        return Tool(naming.format(v=verb, n=noun), f"{verb} the {noun}", tuple(parameters.values()))

    def _calls(self, count: int) -> tuple[Message, ...]:
        requests = [self._request(self._random.choice(self._tools)) for _ in range(count)]
        text = requests[0].text
        for request in requests[1:]:
            text += self._random.choice(_JOINTS) + request.text
        return self._ask(text), self._answer([request.call for request in requests])

    def _with_tool_turn(self) -> tuple[Message, ...]:
        key, value = self._random.choice(("state", "result", "ref", "left")), self._value(self._any_kind())
        content = self._random.choice(('{{"{0}": {1}}}', "{0}={1}", "<out {0}={1}/>")).format(key, _literal(value))
        turns = (*self._calls(1), {"role": "tool", "content": content}, _say(f"The {key} is {_plainly(value)}."))
        return turns if self._random.random() < 0.5 else (*turns, *self._calls(1))

    def _nothing_fits(self) -> tuple[Message, ...]:
        taken = {tool.words for tool in self._tools}
        verb, noun = self._random.choice(_VERBS), self._random.choice(_NOUNS)
        for _ in range(50):
            if not any(verb in words and noun in words for words in taken):
                break
            verb, noun = self._random.choice(_VERBS), self._random.choice(_NOUNS)
        kind = self._any_kind()
        request = f"{verb} the {noun} {self._cue(kind, self._value(kind))}"
        return self._ask(request), _say(NOTHING_FITS)

    def _asks_back(self) -> tuple[Message, ...]:
        tool = self._random.choice(self._tools)
        missing = self._random.choice([each for each in tool.parameters if each.required])
        given = [(each, self._draw(each)) for each in tool.parameters if each is not missing]
        return self._ask(self._phrase(tool, given)), _say(f"Which {missing.name}?")

    def _request(self, tool: Tool) -> _Request:
        kept = [each for each in tool.parameters if each.required or self._random.random() < 0.5]
        given = [(each, self._draw(each)) for each in kept]
        return _Request(self._phrase(tool, given), (tool.name, {each.name: value for each, value in given}))

    def _phrase(self, tool: Tool, given: list[tuple[Parameter, Any]]) -> str:
        mode = self._random.random()
        words = tool.words.replace(" the ", self._random.choice((" the ", " the ", " ", " a ")))
        if mode < 0.12 and len(given) == len(tool.parameters) and given:
            return f"{words}: {', '.join(self._said(each.kind, value) for each, value in given)}"
        kinds = [each.kind for each, _ in given]
        cues = [
            # A made-up name says nothing about its values, and two of a kind could be meant: those are named.
            self._cue(each.kind, value)
            if mode < 0.62 and each.telling and kinds.count(each.kind) == 1
            else self._named(each, value)
            for each, value in given
        ]
        if self._random.random() < 0.4:
            self._random.shuffle(cues)
        gap = self._random.choice((" ", " ", ", ")) if mode < 0.62 else ", "
        return gap.join([words, *cues])

    def _cue(self, kind: str, value: Any) -> str:
        return self._random.choice(_CUES[kind]).format(v=self._said(kind, value))

    def _named(self, parameter: Parameter, value: Any) -> str:
        name = parameter.name.replace("_", " ")
        if parameter.kind == "flag" and self._random.random() < 0.5:
            return name if value else f"not {name}"
        return self._random.choice(_NAMED).format(n=name, v=self._said(parameter.kind, value))

    def _said(self, kind: str, value: Any) -> str:
        """Return a value as the request says it: a day or an hour at times in another form than the answer's."""
        if kind == "day" and self._random.random() < 0.5:
            year, month, day = value.split("-")
            name = _MONTHS[int(month) - 1]
            return f"{int(day)} {name} {year}" if self._random.random() < 0.5 else f"{name} {int(day)}, {year}"
        if kind == "clock" and self._random.random() < 0.4:
            hour, minute = int(value[:2]), value[3:]
            return f"{(hour - 1) % 12 + 1}:{minute} {'am' if hour < 12 else 'pm'}"
        return _plainly(value)

    def _draw(self, parameter: Parameter) -> Any:
        return self._random.choice(parameter.options) if parameter.options else self._value(parameter.kind)

    def _value(self, kind: str) -> Any:
        if kind != "record":
            return getattr(self._vocabulary, kind)()
        return {self._random.choice(_PARAMETERS[inner]): self._value(inner) for inner in ("person", "whole")}

    def _any_kind(self) -> str:
        return self._random.choice(("person", "place", "word", "words", "whole", "decimal", "day", "code"))

    def _ask(self, request: str) -> Message:
        text = self._random.choice(_OPENINGS).format(request)
        return {"role": "user", "content": text[0].upper() + text[1:] + self._random.choice((".", ".", "", "?", "!"))}

    def _answer(self, calls: list[Call]) -> Message:
        return _say(self._format.write(calls))


def _say(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _plainly(value: Any) -> str:
    """Return a value as text: yes and no, lists with commas, records as `key value` in brackets."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value[:-1]) + f" and {value[-1]}"
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {each}" for key, each in value.items()) + ")"
    return str(value)
