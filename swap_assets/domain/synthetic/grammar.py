"""What a generated tool is: its slots and the phrasings it can be asked for with.

    get_forecast: place:place, date:date, unit?:enum=celsius|fahrenheit
    train  "get the weather forecast for {place} on {date}"
    test   "show me how the weather looks in {place} on {date}"

Training and test rows never share a phrasing. The tables are in `everyday_tools` and `office_tools`, the
values in `values`.
"""

from typing import Any, Literal, NamedTuple

Pool = Literal["train", "test"]
POOLS: tuple[Pool, ...] = ("train", "test")

_STRINGS = {
    "place": "a place name",
    "person": "a person's full name",
    "email": "an e-mail address",
    "date": "a date, YYYY-MM-DD",
    "time": "a time of day, HH:MM on 24 hours",
    "code": "a reference such as AB-1234",
    "word": "one word",
    "phrase": "a few words",
    "file": "a file name",
    "ticker": "a stock symbol",
    "handle": "a user name",
}


class Slot(NamedTuple):
    """One parameter of a generated tool; `options` are an enum's values or a number's (lowest, highest)."""

    name: str
    kind: str
    required: bool
    options: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name as people say it: `order_id` is "order id"."""
        return self.name.replace("_", " ")

    def schema(self) -> dict[str, Any]:
        """Return the slot's JSON Schema."""
        if self.kind == "int":
            return {"type": "integer", "minimum": int(self.options[0]), "maximum": int(self.options[1])}
        if self.kind == "number":
            return {"type": "number", "description": f"{self.options[2]}" if len(self.options) > 2 else self.label}
        if self.kind == "enum":
            return {"type": "string", "enum": list(self.options)}
        if self.kind == "bool":
            return {"type": "boolean", "description": self.label}
        if self.kind in ("words", "people", "emails"):
            return {"type": "array", "items": {"type": "string"}, "minItems": 1}
        if self.kind == "address":
            parts = {"street": {"type": "string"}, "city": {"type": "string"}, "postcode": {"type": "string"}}
            return {"type": "object", "properties": parts, "required": list(parts)}
        formats = {"date": {"format": "date"}}
        return {"type": "string", "description": _STRINGS[self.kind], **formats.get(self.kind, {})}


class ToolPlan(NamedTuple):
    """A tool and the ways to ask for it; `{slot}` stands for a required slot, optional ones are added as clauses."""

    domain: str
    name: str
    description: str
    slots: tuple[Slot, ...]
    phrasings: dict[Pool, tuple[str, ...]]
    intents: dict[Pool, str]

    def parameters(self) -> dict[str, Any]:
        """Return the tool's JSON Schema."""
        return {
            "type": "object",
            "properties": {slot.name: slot.schema() for slot in self.slots},
            "required": [slot.name for slot in self.slots if slot.required],
        }

    @property
    def required(self) -> tuple[Slot, ...]:
        """The slots that every call fills."""
        return tuple(slot for slot in self.slots if slot.required)

    @property
    def optional(self) -> tuple[Slot, ...]:
        """The slots that a call may leave out."""
        return tuple(slot for slot in self.slots if not slot.required)


def tool_plan(
    domain: str,
    signature: str,
    description: str,
    *,
    intent: tuple[str, str],
    train: tuple[str, ...],
    test: tuple[str, ...],
) -> ToolPlan:
    """Build a tool from a line such as `book_table(guest:person, date:date, area?:enum=bar|garden)`.

    Args:
        domain: one of the ten domains.
        signature: name and slots; `?` marks an optional slot.
        description: one sentence.
        intent: what it does, without values, as a training and as a test row say it.
        train: phrasings of training rows, imperative, with every required slot in braces.
        test: phrasings reserved for test rows.
    """
    name, _, rest = signature.partition("(")
    slots = tuple(_slot(part.strip()) for part in rest.rstrip(")").split(","))
    phrasings: dict[Pool, tuple[str, ...]] = {"train": train, "test": test}
    intents: dict[Pool, str] = {"train": intent[0], "test": intent[1]}
    return ToolPlan(domain, name, description, slots, phrasings, intents)


def _slot(text: str) -> Slot:
    name, _, spec = text.partition(":")
    kind, _, options = spec.partition("=")
    return Slot(name.rstrip("?"), kind, not name.endswith("?"), tuple(options.split("|")) if options else ())
