"""`report.json` described for people: every section with its fields and their types, from the types themselves.

`python -m tools.report_schema` prints what stands in docs/report.md; a test holds the two together.
"""

from typing import Any

from swap_assets.domain.report.comparison import Report
from swap_assets.domain.report.tables import markdown_table


def schema_words() -> str:
    """Return one Markdown table for the report and one for each type in it."""
    schema = Report.model_json_schema()
    parts = [_described("Report", schema)]
    parts += [_described(name, found) for name, found in sorted(schema["$defs"].items()) if "properties" in found]
    return "\n\n".join(parts)


def _described(name: str, schema: dict[str, Any]) -> str:
    words = schema.get("description", "").split("\n\n")[0].replace("\n", " ")
    rows = [[field, _type(found), found.get("description", "")] for field, found in schema["properties"].items()]
    # Names are code, so their underscores need no escape.
    body = markdown_table(["field", "type", "what it is"], rows).replace("\\_", "_")
    return f"### {name}\n{words}\n\n{body}"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(option) for option in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}" if "items" in schema else "list"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_type(schema['additionalProperties'])}"
    return schema.get("type", "any")


if __name__ == "__main__":
    print(schema_words())
