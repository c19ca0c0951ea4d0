"""How each kind of generated conversation goes, turn by turn.

A kind is a function from a `Writer` to a `Dialogue`; the eight of them are in `KINDS`. What is said is in
`wordings`, what can be asked for in the tables of tools.
"""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from swap_assets.domain.conversations import ToolCall, ToolResponse, ToolSpec, Turn
from swap_assets.domain.synthetic import wordings
from swap_assets.domain.synthetic.grammar import Pool, Slot, ToolPlan
from swap_assets.domain.synthetic.values import Value, Values


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


class Writer:
    """Writes requests and turns in the wordings of one pool."""

    def __init__(
        self,
        pool: Pool,
        random_: random.Random,
        values: Values,
        *,
        tools: tuple[ToolPlan, ...],
        max_distractors: int,
        closing: bool,
    ) -> None:
        self.pool: Pool = pool
        self.random = random_
        self.values = values
        self.tools = tools
        self.max_distractors = max_distractors
        self.closing = closing

    def pick(self, said: wordings.Wordings) -> str:
        """Pick a wording of this pool."""
        return self.random.choice(said[self.pool])

    def plan(self) -> ToolPlan:
        """Pick a tool."""
        return self.random.choice(self.tools)

    def request(self, plan: ToolPlan, optional: int = 0) -> Request:
        """Ask for one call of `plan` with up to `optional` optional slots filled."""
        usable = self.usable_optional(plan)
        extra = set(self.random.sample(usable, min(optional, len(usable))))
        chosen = [slot for slot in plan.slots if slot.required or slot in extra]
        values = {slot.name: self.values.draw(slot) for slot in chosen}
        text = self.random.choice(plan.phrasings[self.pool]).format(
            **{slot.name: values[slot.name].text for slot in plan.required}
        )
        text += "".join(self.clause(slot, values[slot.name]) for slot in chosen if not slot.required)
        return Request(plan, text, _call(plan, values))

    def usable_optional(self, plan: ToolPlan) -> list[Slot]:
        """Return the optional slots that can be asked for; a yes or no never stands verbatim in a request."""
        return [slot for slot in plan.optional if not (self.values.verbatim and slot.kind == "bool")]

    def clause(self, slot: Slot, value: Value) -> str:
        """Say a slot's value in a clause of its own."""
        said = wordings.FLAG_CLAUSES if slot.kind == "bool" else wordings.CLAUSES
        return self.pick(said).format(label=slot.label, text=value.text)

    def user(self, text: str, *, opening: bool = True) -> Turn:
        """Return a user turn, opened politely or not, as one sentence."""
        text = self.pick(wordings.OPENINGS).format(text) if opening else text
        text = text[0].upper() + text[1:]
        return Turn(role="user", text=text if text.endswith(("?", ".")) else f"{text}.")

    def offer(self, *called: ToolPlan, least: int = 0) -> tuple[ToolSpec, ...]:
        """Return the tools on offer: the called ones and some distractors, shuffled."""
        names = {plan.name for plan in called}
        others = [plan for plan in self.tools if plan.name not in names]
        count = min(max(least, self.random.randint(0, self.max_distractors)), len(others))
        unique = {plan.name: plan for plan in [*called, *self.random.sample(others, count)]}
        offered = list(unique.values())
        self.random.shuffle(offered)
        return tuple(spec_of(plan) for plan in offered)

    def close(self, *calls: ToolCall) -> tuple[Turn, ...]:
        """Return the tools' responses and a closing sentence for half of the rows, nothing where switched off."""
        if not self.closing or self.random.random() < 0.5:
            return ()
        done = Turn(role="assistant", text=self.pick(wordings.CLOSINGS))
        return respond(*calls), done


_SPECS: dict[str, ToolSpec] = {}


def spec_of(plan: ToolPlan) -> ToolSpec:
    """Return a tool as it is offered, built once: every row offers some of the same thirty."""
    if plan.name not in _SPECS:
        _SPECS[plan.name] = ToolSpec(name=plan.name, description=plan.description, parameters=plan.parameters())
    return _SPECS[plan.name]


def _call(plan: ToolPlan, values: dict[str, Value]) -> ToolCall:
    return ToolCall(
        name=plan.name, arguments={slot.name: values[slot.name].json for slot in plan.slots if slot.name in values}
    )


def answer(*calls: ToolCall) -> Turn:
    """Return the assistant's turn with these calls."""
    return Turn(role="assistant", calls=calls)


def respond(*calls: ToolCall, **content: Any) -> Turn:
    """Return the tool turn that answers these calls in order."""
    return Turn(
        role="tool",
        responses=tuple(ToolResponse(name=call.name, content={"status": "ok", **content}) for call in calls),
    )


def simple(writer: Writer) -> Dialogue:
    """One call with at most three arguments."""
    plan = writer.random.choice([plan for plan in writer.tools if _flat(plan)] or list(writer.tools))
    request = writer.request(plan, optional=writer.random.randint(0, max(0, 3 - len(plan.required))))
    return _dialogue(writer, [request], writer.offer(plan))


def moderate(writer: Writer) -> Dialogue:
    """One call with four arguments or more; two calls where the tool has fewer."""
    plan = writer.random.choice([plan for plan in writer.tools if _flat(plan)] or list(writer.tools))
    usable = writer.usable_optional(plan)
    if len(plan.required) + len(usable) < 4:
        return _dialogue(writer, [writer.request(plan), writer.request(plan)], writer.offer(plan))
    return _dialogue(writer, [writer.request(plan, optional=len(usable))], writer.offer(plan))


def complex_(writer: Writer) -> Dialogue:
    """Three calls, or a call with an object inside its arguments."""
    nested = [plan for plan in writer.tools if not _flat(plan)]
    if nested and writer.random.random() < 0.5:
        plan = writer.random.choice(nested)
        request = writer.request(plan, optional=len(plan.optional))
        return _dialogue(writer, [request], writer.offer(plan))
    requests = [writer.request(writer.plan()) for _ in range(3)]
    return _dialogue(writer, requests, writer.offer(*(request.plan for request in requests)))


def parallel(writer: Writer) -> Dialogue:
    """Two calls in one answer, of one function or of two."""
    first = writer.request(writer.plan())
    second = writer.request(first.plan if writer.random.random() < 0.5 else writer.plan())
    return _dialogue(writer, [first, second], writer.offer(first.plan, second.plan))


def _flat(plan: ToolPlan) -> bool:
    return all(slot.kind != "address" for slot in plan.slots)


def _dialogue(writer: Writer, requests: list[Request], tools: tuple[ToolSpec, ...]) -> Dialogue:
    text = requests[0].text
    for request in requests[1:]:
        text = writer.pick(wordings.TWO).format(text, request.text)
    calls = [request.call for request in requests]
    turns = (writer.user(text), answer(*calls), *writer.close(*calls))
    return Dialogue(requests[0].plan, tools, turns)


def clarification(writer: Writer) -> Dialogue:
    """A value is missing, the assistant asks for it, the user gives it, the call follows."""
    plan, values, turns = _incomplete(writer)
    missing = next(slot for slot in plan.required if slot.name not in values)
    value = writer.values.draw(missing)
    # Not `writer.user`: its capital letter would change a value that the reply begins with.
    reply = Turn(role="user", text=writer.pick(wordings.REPLIES).format(label=missing.label, text=value.text))
    call = _call(plan, {**values, missing.name: value})
    return Dialogue(plan, writer.offer(plan), (*turns, reply, answer(call), *writer.close(call)))


def _incomplete(writer: Writer) -> tuple[ToolPlan, dict[str, Value], tuple[Turn, ...]]:
    """Return a tool, the values that the request gives (all required ones but one), and the turns up to asking back."""
    plan = writer.plan()
    missing = writer.random.choice(plan.required)
    given = [slot for slot in plan.required if slot is not missing]
    values = {slot.name: writer.values.draw(slot) for slot in given}
    text = writer.pick(wordings.WISHES).format(intent=plan.intents[writer.pool])
    text += "".join(writer.clause(slot, values[slot.name]) for slot in given)
    ask = Turn(role="assistant", text=writer.pick(wordings.ASKS).format(label=missing.label))
    return plan, values, (writer.user(text, opening=False), ask)


def sequential(writer: Writer) -> Dialogue:
    """Two calls where the second needs a value out of the first one's response."""
    first = writer.request(writer.plan())
    follow = _follow_up(writer)
    text = writer.pick(wordings.CHAINS).format(
        first=first.text, intent=follow.plan.intents[writer.pool], label=follow.slot.label, rest=follow.rest
    )
    turns = (
        writer.user(text),
        answer(first.call),
        respond(first.call, **{follow.slot.name: follow.reference}),
        answer(follow.call),
        *writer.close(follow.call),
    )
    return Dialogue(first.plan, writer.offer(first.plan, follow.plan), turns)


class FollowUp(NamedTuple):
    """A call that takes one value from an earlier response and says the rest in the request."""

    plan: ToolPlan
    slot: Slot
    reference: Any
    rest: str
    call: ToolCall


def _follow_up(writer: Writer) -> FollowUp:
    with_code = [plan for plan in writer.tools if any(slot.kind == "code" for slot in plan.required)]
    plan = writer.random.choice(with_code or list(writer.tools))
    slot = next((slot for slot in plan.required if slot.kind == "code"), plan.required[0])
    values = {each.name: writer.values.draw(each) for each in plan.required}
    rest = "".join(writer.clause(each, values[each.name]) for each in plan.required if each is not slot)
    return FollowUp(plan, slot, values[slot.name].json, rest, _call(plan, values))


def context_dependent(writer: Writer) -> Dialogue:
    """A second request that only makes sense with the first: a correction, a repetition, or "with that record id"."""
    first = writer.request(writer.plan())
    done = Turn(role="assistant", text=writer.pick(wordings.CLOSINGS))
    if writer.random.random() < 1 / 3:
        follow = _follow_up(writer)
        text = writer.pick(wordings.BACK_REFERENCES).format(
            intent=follow.plan.intents[writer.pool], label=follow.slot.label, rest=follow.rest
        )
        response = respond(first.call, **{follow.slot.name: follow.reference})
        turns = (writer.user(first.text), answer(first.call), response, done)
        turns += (writer.user(text, opening=False), answer(follow.call))
        return Dialogue(first.plan, writer.offer(first.plan, follow.plan), turns)
    slot = writer.random.choice(first.plan.required)
    value = writer.values.draw(slot)
    text = writer.pick(wordings.CORRECTIONS).format(label=slot.label, text=value.text)
    changed = ToolCall(name=first.call.name, arguments={**first.call.arguments, slot.name: value.json})
    turns = (writer.user(first.text), answer(first.call), respond(first.call), done)
    return Dialogue(first.plan, writer.offer(first.plan), (*turns, writer.user(text, opening=False), answer(changed)))


def no_call(writer: Writer) -> Dialogue:
    """Tools are on offer and none fits, or the one that fits lacks a value and asking back is right."""
    if writer.random.random() < 0.3:
        plan, _, turns = _incomplete(writer)
        return Dialogue(plan, writer.offer(plan), turns)
    request = writer.request(writer.plan())
    offered = [tool for tool in writer.offer(request.plan, least=1) if tool.name != request.plan.name]
    decline = Turn(role="assistant", text=writer.pick(wordings.DECLINES))
    return Dialogue(request.plan, tuple(offered), (writer.user(request.text), decline))


KINDS: dict[str, Callable[[Writer], Dialogue]] = {
    "simple": simple,
    "moderate": moderate,
    "complex": complex_,
    "parallel": parallel,
    "clarification": clarification,
    "sequential": sequential,
    "context_dependent": context_dependent,
    "no_call": no_call,
}
