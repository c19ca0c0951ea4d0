"""The experiment file, typed: who is compared, on which scales, trained how, judged by which gates.

    name: my-agent
    hosted_model: {key: gpt-4o, provider: azure, model: gpt-4o}
    models: {phi-4-mini: {hub_id: microsoft/Phi-4-mini-instruct}}
    scales: {small: {train: 100, validation: 50, test: 50}}

Reading the file from disk lives in `backends.experiment_file`.
"""

import difflib
import itertools
import re
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from swap_assets.domain import keys
from swap_assets.domain.experiment import entries
from swap_assets.domain.experiment.engines import ENGINE_SETTINGS
from swap_assets.domain.experiment.gate_policy import GatePolicy
from swap_assets.domain.experiment.gpu_hours import card_named, length_for
from swap_assets.domain.experiment.recipes import Approach, rows_each
from swap_assets.domain.experiment.sources import Scale, Source, repository_of, shares_of
from swap_assets.domain.formats.base import AnswerFormat, Track
from swap_assets.domain.formats.prompts import KEEP
from swap_assets.domain.keys import Candidate, Decoding
from swap_assets.domain.model import Frozen, content_hash

Entry = TypeVar("Entry")
# Dagster takes letters, digits and _ in an asset's name; a hyphen becomes _ there.
_NAME = re.compile(r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*")
# Of these an entry has one.
_ONE_OF = ({"source", "sources"}, {"hub_id", "miniature", "path"}, {"engine", *ENGINE_SETTINGS})


class ExperimentError(ValueError):
    """The experiment file cannot be used; the message is one sentence that names the key and what is accepted."""


class Experiment(Frozen):
    """The whole experiment file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    storage: str = Field(pattern=r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$", description="a folder of its own")
    seed: int = 42
    notice: str = Field(default="", description="a sentence that every report opens with")
    source: Source | None = None
    sources: tuple[Source, ...] = Field(default=(), description="in place of `source`, where there are several")
    hosted_model: entries.HostedModel
    models: dict[str, entries.SmallModel] = Field(min_length=1)
    scales: dict[str, Scale] = Field(min_length=1)
    release_test: int = Field(default=500, ge=0, description="conversations in the sealed release test")
    approaches: dict[str, Approach] = Field(min_length=1)
    prompt: entries.Prompt = entries.Prompt()
    baseline_formats: entries.BaselineFormats = entries.BaselineFormats()
    gates: GatePolicy = GatePolicy()
    automation: entries.Automation = entries.Automation()
    prices: entries.Prices = entries.Prices()
    publish: entries.Publishing | None = Field(default=None, description="where released models go; none: nowhere")
    model_processes: int | None = Field(
        default=None, ge=1, description="model processes at once; None: one, of miniatures one for each `threads`"
    )
    threads: int = Field(default=0, ge=0, description="CPU threads of one model process; 0 leaves it to the library")

    @model_validator(mode="before")
    @classmethod
    def _resolve_variants(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        sections = {name: data[name] for name in ("models", "approaches") if isinstance(data.get(name), dict)}
        return {**data, **{name: {key: _resolved(key, entries, name, seen=()) for key in entries}
                           for name, entries in sections.items()}}  # fmt: skip

    @field_validator("models", "scales")
    @classmethod
    def _keys_fit_partitions(cls, value: dict[str, Any]) -> dict[str, Any]:
        for key in value:
            if problem := keys.unfit_key(key):
                raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "Experiment":
        if problem := _unfit_names(self.approaches):
            raise ValueError(problem)
        if (self.source is None) == (not self.sources):
            raise ValueError("give either source or sources, a list of them")
        shares_of(self.all_sources)
        if self.publish:
            for model, scale, name in itertools.product(self.models, self.scales, self.approaches):
                repository_of(self.publish.repository(keys.tuned(model, scale, name)), "publish.repo_id")
        if self.hosted_model.key in self.models:
            raise ValueError(f"hosted_model.key '{self.hosted_model.key}' is also a small model's name")
        named = {
            one: name for name, scale in self.scales.items() if isinstance(scale.epochs, dict) for one in scale.epochs
        }
        if unknown := sorted(set(named) - set(self.approaches)):
            told = f"scales.{named[unknown[0]]}.epochs names '{unknown[0]}', which is no approach"
            raise ValueError(f"{told}: expected {' or '.join(self.approach_names)}")
        for model, entry in self.models.items():
            for approach in self.approach_names:
                settings = self.approach_for(approach, model=model)
                if settings.tracks != self.approaches[approach].tracks:
                    told = f"models.{model}.approaches.{approach}.adapters has other adapters or tracks than "
                    raise ValueError(f"{told}approaches.{approach}; make it an approach of its own")
                try:
                    rows_each(settings.training, entry.gpus)
                except ValueError as error:
                    raise ValueError(f"models.{model}.gpus with approach {approach}: {error}") from None
        return self

    @property
    def all_sources(self) -> tuple[Source, ...]:
        """Where the rows come from, one source or several."""
        return self.sources if self.source is None else (self.source,)

    def small_model(self, key: str) -> entries.SmallModel:
        """Return a small model's entry; where there is none, an ExperimentError names those there are."""
        return _lookup(self.models, key, what="model")

    def scale(self, key: str) -> Scale:
        """Return a scale's entry; where there is none, an ExperimentError names those there are."""
        return _lookup(self.scales, key, what="scale")

    @property
    def training_length(self) -> int:
        """The length in tokens to which rows are cut in training, the least of any model and approach."""
        return min(map(self.longest_row, self.models))

    def length_for(self, rows: Iterable[int]) -> int:
        """Return the length in tokens that rows of so many need where an approach has none of its own; 0: all have.

        It is at most what every model takes, as far as that is known.
        """
        card = card_named(self.prices.card)
        open_ = any(not each.training.max_length for each in self.approaches.values())
        known = [entry.context for entry in self.models.values() if entry.context]
        return min([length_for(list(rows), card), *known]) if open_ and card else 0

    def capped_by(self, length: int) -> str:
        """Return the model that takes no more than so many tokens, "" where none is known to take so few."""
        return next((name for name, entry in self.models.items() if length and entry.context == length), "")

    def with_length(self, length: int) -> "Experiment":
        """Return the experiment with a `max_length` for the approaches that have none of their own."""
        filled = {}
        for name, each in self.approaches.items():
            training = each.training.model_copy(update={"max_length": each.training.max_length or length})
            filled[name] = each.model_copy(update={"training": training})
        return self.model_copy(update={"approaches": filled})

    @property
    def cards_at_once(self) -> int:
        """How many cards work at the same time at most; what a model process leases, in as many as there may be."""
        each = max(max(entry.gpus, entry.engine.leased_cards) for entry in self.models.values())
        return each * (self.model_processes or 1)

    def next_scale(self, key: str) -> str | None:
        """Return the scale after `key` in the file's order, None after the last."""
        return [*self.scales, None][list(self.scales).index(key) + 1]

    @property
    def approach_names(self) -> tuple[str, ...]:
        """The approaches' names, sorted: the order in which candidates are listed everywhere."""
        return tuple(sorted(self.approaches))

    def adapter_assets(self, *approaches: str) -> tuple[str, ...]:
        """Return the assets that train the adapters of some approaches, of all where none is named."""
        return tuple(
            keys.adapter_asset(name, adapter, self.approaches[name].adapters)
            for name in approaches or self.approach_names
            for adapter in self.approaches[name].adapters
        )

    def evaluation_assets(self, *decodings: Decoding) -> tuple[str, ...]:
        """Return the assets that evaluate the approaches under some ways of decoding, under all where none is named."""
        return tuple(keys.evaluation_asset(name, one) for one in decodings or Decoding for name in self.approach_names)

    def approach_for(self, approach: str, *, model: str, scale: str | None = None) -> Approach:
        """Return an approach with a model's settings and a scale's epochs; an ExperimentError where they do not fit."""
        overrides = self.small_model(model).approaches
        if unknown := set(overrides) - set(self.approaches):
            expected = " or ".join(self.approach_names)
            raise ExperimentError(f"models.{model}.approaches.{min(unknown)} is not an approach: expected {expected}")
        data = self.approaches[approach].model_dump()
        for part, settings in overrides.get(approach, {}).items():
            data[part] = {**data.get(part, {}), **settings}
        epochs = self.scale(scale).epochs_of(approach) if scale else None
        if epochs and "epochs" not in overrides.get(approach, {}).get("training", {}):
            data["training"] = {**data["training"], "epochs": epochs}
        try:
            return Approach.model_validate(data)
        except ValidationError as error:
            raise ExperimentError(f"models.{model}.approaches.{approach}: {first_problem(error)}") from None

    def longest_row(self, model: str) -> int:
        """Return how many tokens of a row every approach trains a model on; what is longer, one of them cuts."""
        return min(self.approach_for(name, model=model).training.max_length for name in self.approaches)

    def tuned_candidate(
        self, approach: str, *, model: str, scale: str, decoding: Decoding = Decoding.GREEDY
    ) -> Candidate:
        """Return the candidate that an approach makes of a model at a scale, under a way of decoding."""
        settings = self.approach_for(approach, model=model, scale=scale)
        told = "" if self.prompt.system == KEEP else content_hash(self.prompt.system)[:6]
        return keys.tuned(model, scale, approach, packed=settings.training.packing, told=told, decoding=decoding)

    def baseline_format(self, model: str, track: Track) -> AnswerFormat:
        """Return in which answer format an untouched small model answers: in its own, which miniatures lack."""
        own = track is Track.TOOLCALL and not self.small_model(model).miniature
        return self.baseline_formats.small if own else self.baseline_formats.of(track)


def parse_experiment(data: Any) -> Experiment:
    """Build the experiment from the file's plain data; an ExperimentError names the key and what is accepted."""
    if not isinstance(data, dict):
        raise ExperimentError("the experiment file must be a mapping of keys such as name, source, models and scales")
    try:
        return Experiment.model_validate(data)
    except ValidationError as error:
        raise ExperimentError(first_problem(error)) from None


def first_problem(error: ValidationError) -> str:
    """Say the first problem of a validation error in one sentence, with the number of further ones."""
    problems = error.errors()
    first = problems[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{where} is not a known key; remove it or correct its spelling{more}"
    if first["type"] == "missing":
        return f"{where} is missing; add it{more}"
    said = first["msg"].removeprefix("Value error, ").rstrip(".")
    message = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in said)
    shown = repr(first.get("input"))
    value = f", found {shown}" if len(shown) <= 60 else ""
    return f"{where}: {message[:1].lower()}{message[1:]}{value}{more}"


def _unfit_names(approaches: dict[str, Approach]) -> str:
    """Say which approach cannot be named so, "" where all can: the names of assets are made of them."""
    owners: dict[str, str] = dict.fromkeys(keys.SHARED_ASSETS, "the project itself")
    for approach, settings in approaches.items():
        for name in (approach, *settings.adapters):
            if not _NAME.fullmatch(name):
                return f"the name {name!r} cannot be part of an asset's name; give letters, digits, '_' and single '-'"
        if approach == keys.NO_APPROACH or approach.endswith(keys.PACKED) or keys.TOLD in approach:
            used = f"'none', the ending '{keys.PACKED}' and '{keys.TOLD}'"
            return f"the name '{approach}' is taken: candidate ids use {used} themselves"
        adapters = [keys.adapter_asset(approach, name, settings.adapters) for name in settings.adapters]
        for asset in (*adapters, *(keys.evaluation_asset(approach, decoding) for decoding in Decoding)):
            if asset in owners:
                return f"'{approach}' would make the asset {asset}, which {owners[asset]} makes; give it another name"
            owners[asset] = f"'{approach}'"
    return ""


def _resolved(key: str, entries: dict[str, Any], section: str, *, seen: tuple[str, ...]) -> Any:
    """Return an entry laid over the one that it `extends`, level by level; an absent or circular one is an error."""
    entry = entries[key]
    if not isinstance(entry, dict) or "extends" not in entry:
        return entry
    parent = entry["extends"]
    if parent in (*seen, key):
        raise ExperimentError(f"{section}.{key}.extends goes round in a circle through '{parent}'")
    if parent not in entries:
        raise ExperimentError(
            f"{section}.{key}.extends: there is no '{parent}' in {section}; {_accepted(entries, parent)}"
        )
    own = {name: value for name, value in entry.items() if name != "extends"}
    return laid_over(_resolved(parent, entries, section, seen=(*seen, key)), own)


def laid_over(below: Any, above: Any) -> Any:
    """Return `above`, where both are mappings with what it does not say taken from `below`, level by level.

    A mapping of another `kind` is taken as it is, and `path` takes the place of an inherited `hub_id` (`_ONE_OF`).
    """
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    if above.get("kind", below.get("kind")) != below.get("kind"):
        return above
    replaced = {key for group in _ONE_OF if group & above.keys() for key in group - above.keys()}
    kept = {key: value for key, value in below.items() if key not in replaced}
    return kept | {key: laid_over(kept.get(key), value) for key, value in above.items()}


def _lookup(entries: dict[str, Entry], key: str, *, what: str) -> Entry:
    if key not in entries:
        raise ExperimentError(f"there is no {what} '{key}' in the experiment file; {_accepted(entries, key)}")
    return entries[key]


def _accepted(entries: dict[str, Any], wanted: str) -> str:
    close = difflib.get_close_matches(str(wanted), entries, n=1)
    return f"did you mean '{close[0]}'?" if close else f"accepted: {', '.join(entries)}"
