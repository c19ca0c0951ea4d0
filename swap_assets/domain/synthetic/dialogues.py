"""How each kind of generated conversation goes, turn by turn, and the sentences around what is asked for.

A kind is a function from a `Writer` to a `Dialogue` (`KINDS`). What can be asked for is in the table of tools.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from swap_assets.domain.model import ToolCall, ToolResponse, ToolSpec, Turn
from swap_assets.domain.synthetic.tools import Pool, Slot, ToolPlan
from swap_assets.domain.synthetic.values import Value, Values

# Of training rows and of test rows: a test row is never worded like a training row.
_SENTENCES = {
    "opening": ("{}|please {}|can you {}|hi, {}", "{}|could you {}|hello, {}|I want you to {}"),
    "clause": (", {label} {text}| with {label} {text}", ", the {label} being {text}"),
    "flag": (", {label} yes", ", and {label} please"),
    "two": ("{} and {}|{}, then also {}", "{}; also {}|{}, and besides that {}"),
    "wish": ("I would like to {intent}|I want to {intent}", "I need to {intent}"),
    "question": ("Which {label} should I use?|What is the {label}?", "Could you tell me the {label}?"),
    "reply": ("{text}|The {label} is {text}.|Use {text}.", "It should be {text}."),
    "chain": ("{first}, then I want to {intent} with the {label} you get{rest}",
              "{first}; afterwards I need to {intent} using the {label} from the answer{rest}"),
    "correction": ("Actually, make the {label} {text}.|Do the same with {label} {text}.|Sorry, the {label} is {text}.",
                   "Change the {label} to {text}.|Once more, but for {label} {text}."),
    "back reference": ("Now I want to {intent} with that {label}{rest}.",
                       "Next I need to {intent}, taking the {label} from above{rest}."),
    "decline": ("None of my tools can do that.|I can't do that with the tools I have.",
                "Sorry, that is beyond the tools at hand."),
    "closing": ("Done.|That is done.", "All set."),
}  # fmt: skip
WORDINGS: dict[str, dict[Pool, list[str]]] = {
    name: {"train": train.split("|"), "test": test.split("|")} for name, (train, test) in _SENTENCES.items()
}


class Dialogue(NamedTuple):
    """A finished conversation: the main tool, what is offered, and the turns."""

    plan: ToolPlan
    tools: tuple[ToolSpec, ...]
    turns: tuple[Turn, ...]


class Request(NamedTuple):
    """One request in words, and the call it asks for."""

    plan: ToolPlan
    text: str
    call: ToolCall


@dataclass(frozen=True)
class Writer:
    """Writes requests and turns in the wordings of one pool; see `GeneratorSettings` for what the numbers mean."""

    pool: Pool
    random: random.Random
    values: Values
    tools: tuple[ToolPlan, ...]
    max_distractors: int
    closing: bool

    def say(self, name: str, *parts: str, **named: str) -> str:
        """Return a sentence in a wording of this pool."""
        return self.random.choice(WORDINGS[name][self.pool]).format(*parts, **named)

    def plan(self, *, flat: bool = False) -> ToolPlan:
        """Pick a tool; `flat`: one that takes no object, where there is one."""
        return self.random.choice([plan for plan in self.tools if plan.flat or not flat] or self.tools)

    def request(self, plan: ToolPlan, optional: int = 0) -> Request:
        """Ask for one call of `plan` with up to `optional` optional slots filled."""
        usable = self.usable_optional(plan)
        extra = set(self.random.sample(usable, min(optional, len(usable))))
        chosen = [slot for slot in plan.slots if slot.required or slot in extra]
        values = {slot.name: self.values.draw(slot) for slot in chosen}
        said = {slot.name: values[slot.name].text for slot in plan.required}
        text = self.random.choice(plan.phrasings[self.pool]).format(**said)
        text += "".join(self.clause(slot, values[slot.name]) for slot in chosen if not slot.required)
        return Request(plan, text, _call(plan, values))

    def usable_optional(self, plan: ToolPlan) -> list[Slot]:
        """Return the optional slots that can be asked for; a yes or no never stands verbatim in a request."""
        return [slot for slot in plan.optional if not (self.values.verbatim and slot.kind == "bool")]

    def clause(self, slot: Slot, value: Value) -> str:
        """Say a slot's value in a clause of its own."""
        return self.say("flag" if slot.kind == "bool" else "clause", label=slot.label, text=value.text)

    def user(self, text: str, *, opening: bool = True) -> Turn:
        """Return a user turn, opened politely or not, as one sentence."""
        text = self.say("opening", text) if opening else text
        text = text[0].upper() + text[1:]
        return Turn(role="user", text=text if text.endswith(("?", ".")) else f"{text}.")

    def offer(self, *called: ToolPlan, least: int = 0) -> tuple[ToolSpec, ...]:
        """Return the tools on offer: the called ones and some distractors, shuffled."""
        others = [plan for plan in self.tools if plan not in called]
        count = min(max(least, self.random.randint(0, self.max_distractors)), len(others))
        offered = list(dict.fromkeys([*called, *self.random.sample(others, count)]))
        self.random.shuffle(offered)
        return tuple(plan.spec for plan in offered)

    def close(self, *calls: ToolCall) -> tuple[Turn, ...]:
        """Return the tools' responses and a closing sentence for half of the rows, nothing where switched off."""
        if not self.closing or self.random.random() < 0.5:
            return ()
        return respond(*calls), answer(text=self.say("closing"))


def _call(plan: ToolPlan, values: dict[str, Value]) -> ToolCall:
    named = {slot.name: values[slot.name].json for slot in plan.slots if slot.name in values}
    return ToolCall(name=plan.name, arguments=named)


def answer(*calls: ToolCall, text: str = "") -> Turn:
    """Return the assistant's turn with these calls or words."""
    return Turn(role="assistant", calls=calls, text=text)


def respond(*calls: ToolCall, **content: Any) -> Turn:
    """Return the tool turn that answers these calls in order."""
    responses = [ToolResponse(name=call.name, content={"status": "ok", **content}) for call in calls]
    return Turn(role="tool", responses=tuple(responses))


def simple(writer: Writer) -> Dialogue:
    """One call with at most three arguments."""
    plan = writer.plan(flat=True)
    return _dialogue(writer, writer.request(plan, optional=writer.random.randint(0, max(0, 3 - len(plan.required)))))


def moderate(writer: Writer) -> Dialogue:
    """One call with four arguments or more; two calls where the tool has fewer."""
    plan = writer.plan(flat=True)
    usable = writer.usable_optional(plan)
    if len(plan.required) + len(usable) < 4:
        return _dialogue(writer, writer.request(plan), writer.request(plan))
    return _dialogue(writer, writer.request(plan, optional=len(usable)))


def complex_(writer: Writer) -> Dialogue:
    """Three calls, or a call with an object inside its arguments."""
    nested = [plan for plan in writer.tools if not plan.flat]
    if nested and writer.random.random() < 0.5:
        plan = writer.random.choice(nested)
        return _dialogue(writer, writer.request(plan, optional=len(plan.optional)))
    return _dialogue(writer, *[writer.request(writer.plan()) for _ in range(3)])


def parallel(writer: Writer) -> Dialogue:
    """Two calls in one answer, of one function or of two."""
    first = writer.request(writer.plan())
    return _dialogue(writer, first, writer.request(first.plan if writer.random.random() < 0.5 else writer.plan()))


def _dialogue(writer: Writer, *requests: Request) -> Dialogue:
    tools = writer.offer(*(request.plan for request in requests))
    text = requests[0].text
    for request in requests[1:]:
        text = writer.say("two", text, request.text)
    calls = [request.call for request in requests]
    return Dialogue(requests[0].plan, tools, (writer.user(text), answer(*calls), *writer.close(*calls)))


def clarification(writer: Writer) -> Dialogue:
    """A value is missing, the assistant asks for it, the user gives it, the call follows."""
    plan, values, turns = _incomplete(writer)
    missing = next(slot for slot in plan.required if slot.name not in values)
    value = writer.values.draw(missing)
    # Not `writer.user`: its capital letter would change a value that the reply begins with.
    reply = Turn(role="user", text=writer.say("reply", label=missing.label, text=value.text))
    call = _call(plan, {**values, missing.name: value})
    return Dialogue(plan, writer.offer(plan), (*turns, reply, answer(call), *writer.close(call)))


def _incomplete(writer: Writer) -> tuple[ToolPlan, dict[str, Value], tuple[Turn, ...]]:
    """Return a tool, the values that the request gives (all required ones but one), and the turns up to asking back."""
    plan = writer.plan()
    missing = writer.random.choice(plan.required)
    given = [slot for slot in plan.required if slot is not missing]
    values = {slot.name: writer.values.draw(slot) for slot in given}
    text = writer.say("wish", intent=plan.intents[writer.pool])
    text += "".join(writer.clause(slot, values[slot.name]) for slot in given)
    question = answer(text=writer.say("question", label=missing.label))
    return plan, values, (writer.user(text, opening=False), question)


def sequential(writer: Writer) -> Dialogue:
    """Two calls where the second needs a value out of the first one's response."""
    first = writer.request(writer.plan())
    follow, response, named = _follow_up(writer, first.call)
    asked = writer.user(writer.say("chain", first=first.text, **named))
    turns = (asked, answer(first.call), response, answer(follow.call), *writer.close(follow.call))
    return Dialogue(first.plan, writer.offer(first.plan, follow.plan), turns)


def _follow_up(writer: Writer, first: ToolCall) -> tuple[Request, Turn, dict[str, str]]:
    """Return a request for one value of the first call's response, that response, and the parts of its sentence."""
    with_code = [plan for plan in writer.tools if any(slot.kind == "code" for slot in plan.required)]
    plan = writer.random.choice(with_code or writer.tools)
    taken = next((slot for slot in plan.required if slot.kind == "code"), plan.required[0])
    values = {each.name: writer.values.draw(each) for each in plan.required}
    rest = "".join(writer.clause(each, values[each.name]) for each in plan.required if each is not taken)
    named = {"intent": plan.intents[writer.pool], "label": taken.label, "rest": rest}
    response = respond(first, **{taken.name: values[taken.name].json})
    return Request(plan, rest, _call(plan, values)), response, named


def context_dependent(writer: Writer) -> Dialogue:
    """A second request that only makes sense with the first: a correction, a repetition, or "with that record id"."""
    first = writer.request(writer.plan())
    done = answer(text=writer.say("closing"))
    if writer.random.random() < 1 / 3:
        (plan, _, call), response, named = _follow_up(writer, first.call)
        text = writer.say("back reference", **named)
    else:
        plan, response, slot = first.plan, respond(first.call), writer.random.choice(first.plan.required)
        value = writer.values.draw(slot)
        text = writer.say("correction", label=slot.label, text=value.text)
        call = ToolCall(name=plan.name, arguments={**first.call.arguments, slot.name: value.json})
    turns = (writer.user(first.text), answer(first.call), response, done)
    turns += (writer.user(text, opening=False), answer(call))
    return Dialogue(first.plan, writer.offer(first.plan, plan), turns)


def no_call(writer: Writer) -> Dialogue:
    """Tools are on offer and none fits, or the one that fits lacks a value and asking back is right."""
    if writer.random.random() < 0.3:
        plan, _, turns = _incomplete(writer)
        return Dialogue(plan, writer.offer(plan), turns)
    request = writer.request(writer.plan())
    offered = [tool for tool in writer.offer(request.plan, least=1) if tool.name != request.plan.name]
    decline = answer(text=writer.say("decline"))
    return Dialogue(request.plan, tuple(offered), (writer.user(request.text), decline))


_KINDS = (simple, moderate, complex_, parallel, clarification, sequential, context_dependent, no_call)
KINDS: dict[str, Callable[[Writer], Dialogue]] = {kind.__name__.removesuffix("_"): kind for kind in _KINDS}
