"""The seeded stream that the demo's miniature models are pre-trained on: short made-up function-calling conversations.

Tools, parameters, phrasings and answer formats are foreign to the demo, values come from open vocabularies, and one
row in five is a copy drill: what a model can learn here is to read a tool list, to choose, and to copy. One row:

    system     mend_barrel(owner: string; tally?: integer)
               Reply <act fn> args </act>
    user       Please mend the barrel for Drusa Weick.
    assistant  <act fn="mend_barrel">{"owner": "Drusa Weick"}</act>

The stream has three stages: rows below `SECOND_STAGE` are single requests of every difficulty; rows from there on have
one naming style a conversation, say which value is meant where a made-up name does not tell, and are often dialogues
(asking back and being told, correcting, a call that needs the answer of the one before); rows from `THIRD_STAGE` on are
short, mostly one call in JSON, with words of the sentence on both sides of a value.

The values live in `values`, tool lists and answer formats in `formats`, phrasings in
`wordings`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from tools.miniatures.drills import drill
from tools.miniatures.formats import AnswerFormat, Call, Parameter, Tool, draw_format, list_tools
from tools.miniatures.stages import Stage, stage_of
from tools.miniatures.values import Vocabulary
from tools.miniatures.wordings import (
    JOINTS,
    MONTHS,
    NAMED,
    NAMINGS,
    NOUNS,
    OPENINGS,
    PARAMETERS,
    VERBS,
)

Message = dict[str, str]
DRILL_SHARE = 0.2
FIRST_DRILLS = 6000
"""The rows at the start of a stream in which four of five are drills: copying forms sooner when it is met bare."""
NOTHING_FITS = "Nothing here can do that."


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
    stage = stage_of(index)
    vocabulary = Vocabulary(random, held_out=held_out, compounds=stage.settled)
    if random.random() < (0.8 if index < FIRST_DRILLS else DRILL_SHARE):
        return PretrainingRow("drill", drill(random, vocabulary, typed=stage.short))
    return _Composer(random, vocabulary, stage).row()


def pretraining_rows(seed: int, start: int, stop: int, *, held_out: bool = False) -> Iterator[PretrainingRow]:
    """Yield rows `start` to `stop` of the stream of `seed`."""
    return (pretraining_row(seed, index, held_out=held_out) for index in range(start, stop))


class _Composer:
    """Writes one conversation of a stage: draws its tools, its answer format, and what is asked."""

    def __init__(self, random: Random, vocabulary: Vocabulary, stage: Stage) -> None:
        self._random = random
        self._vocabulary = vocabulary
        self._stage = stage
        self._tools = self._draw_tools()
        self._format: AnswerFormat = draw_format(random, short=stage.short)

    def row(self) -> PretrainingRow:
        lines = [list_tools(self._random, self._tools), self._format.sentence]
        system = {"role": "system", "content": "\n".join(lines if self._random.random() < 0.7 else lines[::-1])}
        draw = self._random.random()
        kind = next((kind for kind, until in self._stage.kinds.items() if draw < until), "calls")
        if kind == "calls":
            count = self._one_of(self._stage.calls)
            return PretrainingRow("single" if count == 1 else "several", (system, *self._calls(count)))
        return PretrainingRow(kind, (system, *getattr(self, f"_{kind}")()))

    def _one_of(self, weights: tuple[int, ...]) -> int:
        """Draw a count from 1 on by its weight."""
        return self._random.choices(range(1, len(weights) + 1), weights)[0]

    def _draw_tools(self) -> list[Tool]:
        count = self._one_of(self._stage.tools)
        nouns = self._random.sample(NOUNS, count)
        if count > 1 and self._random.random() < 0.5:
            nouns[1] = nouns[0]
        verbs = self._random.sample(VERBS, count)
        if count > 2 and self._random.random() < 0.5 and nouns[1] != nouns[2]:
            verbs[2] = verbs[1]
        naming = self._random.choice(NAMINGS) if self._stage.settled else None
        return [self._tool(verb, noun, naming) for verb, noun in zip(verbs, nouns, strict=True)]

    def _tool(self, verb: str, noun: str, naming: str | None) -> Tool:
        if self._random.random() < 0.25:
            noun = self._vocabulary.word()
        naming = naming or self._random.choice(NAMINGS)
        count = self._one_of(self._stage.parameters)
        parameters: dict[str, Parameter] = {}
        for kind in self._random.choices(list(PARAMETERS), self._stage.weights, k=count):
            name = self._vocabulary.word() if self._random.random() < 0.2 else self._random.choice(PARAMETERS[kind])
            required = not parameters or self._random.random() < 0.7
            options = self._vocabulary.options() if kind == "choice" else ()
            parameters.setdefault(name, Parameter(name, kind, required, options))
        return Tool(naming.format(v=verb, n=noun), f"{verb} the {noun}", tuple(parameters.values()))

    def _calls(self, count: int) -> tuple[Message, ...]:
        requests = [self._request(self._random.choice(self._tools)) for _ in range(count)]
        text = requests[0].text
        for request in requests[1:]:
            text += self._random.choice(JOINTS) + request.text
        return self._ask(text), self._answer([request.call for request in requests])

    def _tool_turn(self) -> tuple[Message, ...]:
        key, value = self._random.choice(("state", "result", "ref", "left")), self._value(self._any_kind())
        content = self._random.choice(('{{"{0}": {1}}}', "{0}={1}", "<out {0}={1}/>")).format(key, _literal(value))
        turns = (*self._calls(1), {"role": "tool", "content": content}, _say(f"The {key} is {_plainly(value)}."))
        return turns if self._random.random() < 0.5 else (*turns, *self._calls(1))

    def _nothing_fits(self) -> tuple[Message, ...]:
        taken = {tool.words for tool in self._tools}
        verb, noun = self._random.choice(VERBS), self._random.choice(NOUNS)
        for _ in range(50):
            if not any(verb in words and noun in words for words in taken):
                break
            verb, noun = self._random.choice(VERBS), self._random.choice(NOUNS)
        kind = self._any_kind()
        request = f"{verb} the {noun} {self._cue(kind, self._value(kind))}"
        return self._ask(request), _say(NOTHING_FITS)

    def _asks_back(self) -> tuple[Message, ...]:
        tool = self._random.choice(self._tools)
        missing = self._random.choice([each for each in tool.parameters if each.required])
        given = [(each, self._draw(each)) for each in tool.parameters if each is not missing]
        return self._ask(self._phrase(tool, given)), _say(f"Which {missing.name}?")

    def _told(self) -> tuple[Message, ...]:
        """A required value is missing, the assistant asks for it, the user gives it, the call follows."""
        tool = self._random.choice(self._tools)
        required = [each for each in tool.parameters if each.required]
        missing = self._random.choice(required)
        values = {each.name: self._draw(each) for each in required}
        given = [(each, values[each.name]) for each in required if each is not missing]
        said = self._said(missing.kind, values[missing.name])
        reply = self._random.choice(("{v}", "{v}.", "{n}: {v}", "It is {v}.")).format(n=missing.name, v=said)
        asked = self._ask(self._phrase(tool, given)), _say(f"Which {missing.name}?")
        return *asked, {"role": "user", "content": reply}, self._answer([(tool.name, values)])

    def _corrected(self) -> tuple[Message, ...]:
        """After a call, the user changes one of its values and the same call is made again with it."""
        request, tool = self._requested()
        name, arguments = request.call
        chosen = self._random.choice(list(arguments))
        changed = next(each for each in tool.parameters if each.name == chosen)
        value = self._draw(changed)
        text = self._random.choice(
            ("No, {n} {v}", "Again with {n} {v}", "Wait, {n} ought to be {v}", "{n}: {v} instead")
        )
        text = text.format(n=changed.name.replace("_", " "), v=self._said(changed.kind, value))
        again = self._answer([(name, {**arguments, changed.name: value})])
        return *self._done(request), {"role": "user", "content": text}, again

    def _chained(self) -> tuple[Message, ...]:
        """The second call needs a value that only the answer of the first one holds."""
        request, _ = self._requested()
        tool = self._random.choice(self._tools)
        required = [each for each in tool.parameters if each.required]
        needed = self._random.choice(required)
        values = {each.name: self._draw(each) for each in required}
        rest = "".join(f", {self._named(each, values[each.name])}" for each in required if each is not needed)
        text = f"{request.text}{self._random.choice(JOINTS)}{tool.words} with the {needed.name} that comes of it{rest}"
        answer = {"state": "fine", needed.name: values[needed.name]}
        result = {"role": "tool", "content": json.dumps(answer, ensure_ascii=False)}
        return self._ask(text), self._answer([request.call]), result, self._answer([(tool.name, values)])

    def _closed(self) -> tuple[Message, ...]:
        return self._done(self._requested()[0])

    def _requested(self) -> tuple[_Request, Tool]:
        tool = self._random.choice(self._tools)
        return self._request(tool), tool

    def _done(self, request: _Request) -> tuple[Message, ...]:
        result = {"role": "tool", "content": self._random.choice(('{"state": "fine"}', "fine", "<out>fine</out>"))}
        return self._ask(request.text), self._answer([request.call]), result, _say("So it is.")

    def _request(self, tool: Tool) -> _Request:
        kept = [each for each in tool.parameters if each.required or self._random.random() < 0.5]
        given = [(each, self._draw(each)) for each in kept]
        return _Request(self._phrase(tool, given), (tool.name, {each.name: value for each, value in given}))

    def _phrase(self, tool: Tool, given: list[tuple[Parameter, Any]]) -> str:
        mode = self._random.random()
        words = tool.words
        if self._random.random() >= 0.7:
            words = words.replace(" the ", self._random.choice((" ", " a ")))
        if mode < 0.12 and len(given) == len(tool.parameters) and given:
            return f"{words}: {', '.join(self._said(each.kind, value) for each, value in given)}"
        kinds = [each.kind for each, _ in given]
        cues = [
            self._cue(each.kind, value)
            if mode < 0.62 and each.kind in self._stage.cues and kinds.count(each.kind) == 1 and self._tells(each)
            else self._named(each, value)
            for each, value in given
        ]
        if self._random.random() < 0.4:
            self._random.shuffle(cues)
        gap = self._random.choice((" ", " ", ", ")) if mode < 0.62 else ", "
        return gap.join([words, *cues])

    def _tells(self, parameter: Parameter) -> bool:
        return not self._stage.settled or parameter.name in PARAMETERS[parameter.kind]

    def _cue(self, kind: str, value: Any) -> str:
        return self._random.choice(self._stage.cues[kind]).format(v=self._said(kind, value))

    def _named(self, parameter: Parameter, value: Any) -> str:
        name = parameter.name.replace("_", " ")
        if parameter.kind == "flag" and self._random.random() < 0.5:
            return name if value else f"not {name}"
        return self._random.choice(NAMED).format(n=name, v=self._said(parameter.kind, value))

    def _said(self, kind: str, value: Any) -> str:
        """Return a value as the request says it: a day or an hour at times in another form than the answer's."""
        if kind == "day" and self._random.random() < 0.5:
            year, month, day = value.split("-")
            name = MONTHS[int(month) - 1]
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
        return {self._random.choice(PARAMETERS[inner]): self._value(inner) for inner in ("person", "whole")}

    def _any_kind(self) -> str:
        return self._random.choice(("person", "place", "word", "words", "whole", "decimal", "day", "code"))

    def _ask(self, request: str) -> Message:
        text = self._random.choice(OPENINGS).format(request)
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
