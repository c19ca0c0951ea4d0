"""Files shaped as the hub's own, at their real size: 1,893 rows in each of two files that continue each other.

Nothing of the data set is in them: words are made of syllables, or mostly common English ones, of which tokenizers make
about as many tokens as of real rows. What is true to it is the shape: the roles, the markup
of both revisions, four in ten rows that extract from a passage (and are as broken as the real ones), passages that
several rows share, how many calls and tools a row has, and how long it is in characters.
"""

import json
from pathlib import Path
from random import Random
from typing import Any

from swap_assets_tests.domain.data_rows import CALL_SYSTEM, EXTRACTION_SYSTEM

ROWS = 1893
FILES = ("func-calling-singleturn.json", "func-calling.json")
_EXTRACTION_SHARE = 0.40
_ROWS_A_PASSAGE = 73 / 45
_CALLS = {1: 49, 2: 29, 3: 31, 4: 9, 5: 2, 7: 1}  # rows of the published sample by number of calls
_CONTINUED = 1883 / 1893  # rows of the second file that begin as the first file's row of the same place
_SYLLABLES = [first + second for first in "bcdfghklmnprstvwz" for second in ("a", "e", "i", "o", "u", "ai", "er", "on")]


def write_hub_files(
    folder: Path, *, seed: int, revision: str = "current", rows: int = ROWS, english: bool = False
) -> list[Path]:
    """Write both files into a folder and return their paths; `revision` is "current" or "2024"."""
    singles, continued = hub_rows(seed=seed, revision=revision, rows=rows, english=english)
    paths = [folder / name for name in FILES]
    for path, found in zip(paths, (singles, continued), strict=True):
        path.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    return paths


def hub_rows(
    *, seed: int, revision: str = "current", rows: int = ROWS, english: bool = False
) -> tuple[list[dict], list[dict]]:
    """Return the rows of the single-turn file and of the file that continues them.

    Each word is made anew, or with `english` two in three are of a thousand English ones, the third of 500 made ones.
    """
    make = _Maker(seed, revision, english)
    extraction = {at for at in range(rows) if make.random.random() < _EXTRACTION_SHARE}
    passages = [make.words(1500, 2050) for _ in range(max(1, round(len(extraction) / _ROWS_A_PASSAGE)))]
    singles = [
        make.extraction_row(at, make.random.choice(passages)) if at in extraction else make.call_row(at)
        for at in range(rows)
    ]
    beginnings = [one if make.random.random() < _CONTINUED else make.call_row(at) for at, one in enumerate(singles)]
    return singles, [make.continued(one) for one in beginnings]


class _Maker:
    def __init__(self, seed: int, revision: str, english: bool) -> None:
        self.random = Random(seed)
        self._old = revision == "2024"
        self._known = list[str]()
        if english:
            from faker.providers.lorem.en_US import Provider

            self._known = [*sorted(set(Provider.word_list)), *(self.word() for _ in range(500))]

    def word(self) -> str:
        if self._known:
            return self.random.choice(self._known)
        return "".join(self.random.choices(_SYLLABLES, k=self.random.randint(2, 3)))

    def words(self, least: int, most: int) -> str:
        return " ".join(self.word() for _ in range(self.random.randint(least, most)))

    def call_row(self, at: int) -> dict[str, Any]:
        """A request of some 70 words, one to five tools, one to seven calls; p50 about 3,600 characters in all."""
        wanted = self.random.choices(list(_CALLS), weights=list(_CALLS.values()))[0]
        tools = [self._tool() for _ in range(max(1, min(5, wanted) + (self.random.random() < 0.3)))]
        used = [tools[min(number, len(tools) - 1)]["function"] for number in range(wanted)]
        calls = [{"name": tool["name"], "arguments": self._arguments(tool["parameters"])} for tool in used]
        values = [str(value) for call in calls for value in call["arguments"].values()]
        human = f"{self.words(35, 90)} {' '.join(values)} {self.words(5, 20)}."
        return self._row(at, CALL_SYSTEM, tools, human, "\n".join(self._call(call) for call in calls))

    def extraction_row(self, at: int, passage: str) -> dict[str, Any]:
        """A passage of some 12,000 characters; the answer as broken as the real ones."""
        properties = {"open_questions": {"type": "array", "items": {"type": "string"}}}
        parameters = {"type": "object", "properties": properties, "required": ["open_questions"]}
        function = {"name": "ExpertQAExtractor", "description": self.words(20, 40), "parameters": parameters}
        queries = [f"{self.words(6, 14)}?" for _ in range(self.random.randint(3, 8))]
        body = repr({"arguments": {"queries": queries, "name": "ExpertQAExtractor"}})
        human = f"Can you help me extract queries from the following passage <passage> {passage} </passage>"
        tools = [{"type": "function", "function": function}]
        return self._row(at, EXTRACTION_SYSTEM, tools, human, rf"<tool_call>\n{body}\n</tool_call>")

    def continued(self, row: dict[str, Any]) -> dict[str, Any]:
        """The same row with the tools' responses and an answer in words behind it."""
        response = json.dumps({"name": "result", "content": {self.word(): self.words(3, 9) for _ in range(4)}})
        turns = [
            *row["conversations"],
            {"from": "tool", "value": f"<tool_response>\n{response}\n</tool_response>"},
            {"from": "gpt", "value": f"{self.words(25, 60).capitalize()}."},
        ]
        return {**row, "conversations": turns}

    def _row(self, at: int, system: str, tools: list, human: str, answer: str) -> dict[str, Any]:
        listed = repr(tools) if self._old else json.dumps(tools)
        turns = [
            {"from": "system", "value": system.format(before="", tools=listed)},
            {"from": "human", "value": human},
            {"from": "gpt", "value": answer},
        ]
        labels = {"category": self.word(), "subcategory": self.words(1, 3), "task": self.words(2, 4)}
        row = {"id": f"{self.random.getrandbits(64):016x}-{at}", "conversations": turns, **labels}
        return row if self._old else {**row, "tools": json.dumps(tools)}

    def _tool(self) -> dict[str, Any]:
        kinds = ["string", "integer", "number", "boolean"]
        names = [self.word() for _ in range(self.random.randint(3, 6))]
        properties = {
            name: {"type": self.random.choice(kinds), "description": self.words(5, 12).capitalize() + "."}
            for name in names
        }
        parameters = {"type": "object", "properties": properties, "required": names[:2]}
        function = {"name": f"{self.word()}_{self.word()}", "description": self.words(8, 16), "parameters": parameters}
        return {"type": "function", "function": function}

    def _arguments(self, parameters: dict[str, Any]) -> dict[str, Any]:
        makers = {
            "string": lambda: self.words(1, 4),
            "integer": lambda: self.random.randint(1, 999),
            "number": lambda: round(self.random.uniform(1, 999), 2),
            "boolean": lambda: self.random.random() < 0.5,
        }
        return {name: makers[spec["type"]]() for name, spec in parameters["properties"].items()}

    def _call(self, call: dict[str, Any]) -> str:
        return f"<tool_call>\n{repr(call) if self._old else json.dumps(call)}\n</tool_call>"
