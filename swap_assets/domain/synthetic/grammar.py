"""What a generated tool is: its slots and the phrasings it can be asked for with.

    get_forecast: place:place, date:date, unit?:enum=celsius|fahrenheit
    train  "get the weather forecast for {place} on {date}"
    test   "show me how the weather looks in {place} on {date}"

Training and test rows never share a phrasing. The table is in `tools`, the values in `values`.
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


def read_tools(table: str) -> tuple[ToolPlan, ...]:
    """Read the blocks of a table of tools, as `tools` writes them.

    A signature is a line such as `book_table(guest:person, date:date, area?:enum=bar|garden)`; `?` marks an optional
    slot. Phrasings are imperative, with every required slot in braces.
    """
    plans: list[ToolPlan] = []
    for block in table.strip().split("\n\n"):
        lines = block.split("\n")
        domain = lines.pop(0).removeprefix("# ") if block.startswith("# ") else plans[-1].domain
        signature, description, intent, *said = lines
        name, _, rest = signature.partition("(")
        slots = tuple(_slot(part.strip()) for part in rest.rstrip(")").split(","))
        phrasings: dict[Pool, tuple[str, ...]] = {pool: _after(f"{pool}: ", said) for pool in POOLS}
        intents: dict[Pool, str] = dict(zip(POOLS, intent.split(" | "), strict=True))
        plans.append(ToolPlan(domain, name, description, slots, phrasings, intents))
    return tuple(plans)


def _slot(text: str) -> Slot:
    name, _, spec = text.partition(":")
    kind, _, options = spec.partition("=")
    return Slot(name.rstrip("?"), kind, not name.endswith("?"), tuple(options.split("|")) if options else ())


def _after(mark: str, lines: list[str]) -> tuple[str, ...]:
    return tuple(line.removeprefix(mark) for line in lines if line.startswith(mark))
