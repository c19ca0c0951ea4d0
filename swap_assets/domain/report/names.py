"""What candidates and metrics are called in front of people."""

from swap_assets.domain.formats.base import Track
from swap_assets.domain.keys import Candidate, Form

METRIC_TITLES = {
    "field_f1": "field F1",
    "exact_match": "whole answer exact",
    "name_match": "name match",
    "arguments_exact": "arguments exact",
    "valid_json": "valid JSON",
    "schema_valid": "fits the tool's schema",
    "format_compliance": "format to the letter",
    "field_precision": "field precision",
    "field_recall": "field recall",
    "no_call_accuracy": "no-call accuracy",
}
TRACK_TITLES = {Track.TOOLCALL: "Tool calls", Track.STRUCTURED: "Structured answers"}
_FORMS = {Form.HOSTED: "hosted LLM", Form.BASE: "untouched"}


def display_name(candidate_id: str) -> str:
    """Return a candidate as it is told apart within one scale: `teacher (hosted LLM)`, `student (paper adapter)`."""
    candidate = Candidate.from_id(candidate_id)
    form = _FORMS.get(candidate.form, candidate.form.value)
    words = [word for word in (candidate.approach, form) if word != "none"]
    decoding = "" if candidate.decoding == "greedy" else f", {candidate.decoding} decoding"
    return f"{candidate.model} ({' '.join(words)}{decoding})"


def metric_title(name: str) -> str:
    """Return a metric's name for people; a strict reading is called so."""
    plain = name.removesuffix("_strict")
    title = METRIC_TITLES.get(plain, plain.replace("_", " "))
    return f"{title}, strict" if plain != name else title


def class_title(name: str) -> str:
    """Return a failure class in words: `called_when_it_should_not` becomes `called when it should not`."""
    return name.replace("_", " ")
