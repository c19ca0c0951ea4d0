"""Where conversations come from (the hub, local files, the generator), and how many of them each part of the data gets.

    sources:                      # or `source:`, a single one
      - {kind: hub, share: 0.7}
      - {kind: local, name: team-log, path: logs/*.jsonl, origin: production, share: 0.3}
    scales: {small: {train: 100, validation: 50, test: 50}}

Every size is a count of conversations and is met exactly or refused; shares are met where there are rows enough, and
what is short is said (`splits.scale_split.SourceRows`). Fetching and reading live in `backends.datasets`;
which rows it is to be is decided in `splits`, which cases the test splits are made of in `splits.capabilities`.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from swap_assets.domain.model import Conversation, Frozen, Origin, Quarantined
from swap_assets.domain.synthetic.generator import GeneratorSettings

HERMES_DATASET = "NousResearch/hermes-function-calling-v1"
HERMES_REVISION = "dae3e1d28cfbcf4b915c04ea1e072030529b4bda"
HERMES_FILES = {
    "func_calling_singleturn": "func-calling-singleturn.json", "func_calling": "func-calling.json",
    "glaive_func_calling": "glaive-function-calling-5k.json", "json_mode_agentic": "json-mode-agentic.json",
    "json_mode_singleturn": "json-mode-singleturn.json",
}  # fmt: skip
# SHA-256 of the files at that commit, as public code that pins the same commit states them.
HERMES_SHA256 = {
    "func-calling-singleturn.json": "fb2df9fe3f295dfd65b223c2dbf04d6b90006357d737f8f8927749f0bea09527",
    "func-calling.json": "769478035a886678d525d057ea66e3fd1e247f43e35c8d6d7cc866e080b6742b",
    "glaive-function-calling-5k.json": "b98eb3f160359f27ad15018e974ce6db444f566eb5be4aa9e4aa690b34d50832",
}


# As the hub names its repositories: parts begin and end with a letter or a digit, and hold no `--` and no `..`.
_PART = r"(?!\S*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_REPOSITORY = re.compile(rf"(?:{_PART}/)?{_PART}")


def repository_of(name: str, key: str) -> str:
    """Return the name of a repository of the hub; a ValueError names the key in which it is none."""
    if not _REPOSITORY.fullmatch(name):
        raise ValueError(f"{key} {name!r} names no repository of the hub; give org/name")
    return name


class _OneOfSeveral(Frozen):
    """What each source has where there are several."""

    name: str = Field(default="", description="what its rows are called by; empty: the data set, or the kind")
    # 0: only test splits draw on its held-out rows; none: sources count by their rows.
    share: float | None = Field(default=None, ge=0, le=1, description="of each part of a split, all together 1")


class HubSource(_OneOfSeveral):
    """A dataset on the Hugging Face hub; each config is read from its own file, since their columns differ."""

    kind: Literal["hub"] = "hub"
    dataset: str = HERMES_DATASET
    revision: str = Field(default=HERMES_REVISION, description="a commit, so that the rows can't change under you")
    files: dict[str, str] = Field(
        default_factory=lambda: {name: HERMES_FILES[name] for name in ("func_calling_singleturn", "func_calling")},
        min_length=1, description="config name -> its data file in the dataset's repository",
    )  # fmt: skip
    sha256: dict[str, str] = Field(default_factory=dict, description="config name -> expected SHA-256 of its file")
    origin: Literal["real", "production"] = "real"
    max_rows: int | None = Field(default=None, ge=1, description="read only the first so many rows of each config")
    fallback: Literal["none", "synthetic"] = Field(default="none", description="without the hub: stop, or generate")
    generator: GeneratorSettings = GeneratorSettings()

    @model_validator(mode="after")
    def _names_files_of_the_hub(self) -> "HubSource":
        repository_of(self.dataset, "dataset")
        for name in (self.revision, *self.files.values()):
            if not name.isprintable() or ".." in name or name.startswith("/"):
                raise ValueError(f"{name!r} is no file or revision of the hub's repository {self.dataset}")
        return self

    def expected_sha256(self, config: str) -> str:
        """Return the hash that a config's file must have, "" where none is known."""
        if config in self.sha256:
            return self.sha256[config].lower()
        pinned = self.dataset == HERMES_DATASET and self.revision == HERMES_REVISION
        return HERMES_SHA256.get(self.files[config], "") if pinned else ""


class LocalSource(_OneOfSeveral):
    """JSON, JSON Lines or Parquet files, gzipped or not, in any of the shapes that `reading.parsing` knows."""

    kind: Literal["local"] = "local"
    path: str | tuple[str, ...] = Field(description="a file, a glob, or a list of them")
    origin: Origin = "real"
    max_rows: int | None = Field(default=None, ge=1, description="read only the first so many rows of each file")


class SyntheticSource(_OneOfSeveral):
    """The built-in generator."""

    kind: Literal["synthetic"] = "synthetic"
    generator: GeneratorSettings = GeneratorSettings()


Source = Annotated[HubSource | LocalSource | SyntheticSource, Field(discriminator="kind")]


def label_of(source: Source) -> str:
    """Return what the rows of a source are called by, which stands in their provenance."""
    return source.name or (source.dataset if isinstance(source, HubSource) else source.kind)


def hub_datasets(sources: Sequence[Source]) -> tuple[str, ...]:
    """Return the hub's names of the data sets that rows come from, each once."""
    return tuple(dict.fromkeys(each.dataset for each in sources if isinstance(each, HubSource)))


def shares_of(sources: Sequence[Source]) -> dict[str, float]:
    """Return each source's share by its label, {} where sources count by their rows; a ValueError says what is odd."""
    labels, shares = list(map(label_of, sources)), [each.share for each in sources if each.share is not None]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ValueError(f"two sources are called '{twice[0]}'; give each a name of its own")
    if len(shares) not in (0, len(sources)):
        raise ValueError("some sources have a share and others none; give each a share, or none")
    if shares and abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"the shares of the sources add up to {sum(shares):g}; make it 1")
    return dict(zip(labels, shares, strict=True)) if shares else {}


class LoadedSource(Frozen):
    """What a source gave: `rows_in` equals the conversations kept plus the rows quarantined, always."""

    conversations: tuple[Conversation, ...]
    quarantined: tuple[Quarantined, ...]
    rows_in: int
    notes: tuple[str, ...] = ()
    first_line_warning: str = ""

    @property
    def balanced(self) -> bool:
        """Whether no row was lost without a reason."""
        return self.rows_in == len(self.conversations) + len(self.quarantined)


class Notices(Frozen):
    """What a source said when it was read, kept for the first lines of every report."""

    warning: str = ""
    source: str = ""

    @classmethod
    def of(cls, loaded: LoadedSource) -> "Notices":
        """Take the notices of a source that was read."""
        read = f"{loaded.rows_in} rows, {len(loaded.conversations)} kept, {len(loaded.quarantined)} quarantined"
        return cls(warning=loaded.first_line_warning, source="; ".join((read, *loaded.notes)))


class SingleTurnSizes(Frozen):
    """Conversations per difficulty of a first request; the rules are in `capabilities.difficulty`."""

    simple: int = Field(default=20, ge=0)
    moderate: int = Field(default=20, ge=0)
    complex: int = Field(default=10, ge=0)


class MultiTurnSizes(Frozen):
    """Conversations per kind of multi-turn; each is evaluated at every assistant turn, so it gives several cases."""

    clarification: int = Field(default=10, ge=0)
    sequential: int = Field(default=10, ge=0)
    context_dependent: int = Field(default=10, ge=0)


class TestSplitSizes(Frozen):
    """The capability splits, in conversations; the defaults are the guide's, the last two go beyond it."""

    __test__: ClassVar[bool] = False  # its name begins with Test, which pytest would collect

    single_turn: SingleTurnSizes = SingleTurnSizes()
    multi_turn: MultiTurnSizes = MultiTurnSizes()
    per_domain: int = Field(default=5, ge=0, description="conversations for each of the ten domains")
    no_call: int = Field(default=10, ge=0, description="tools are offered and no call is right, or asking back is")
    parallel: int = Field(default=10, ge=0, description="several calls in one answer are right")


class Scale(Frozen):
    """A dataset scale: sizes in conversations, and the epochs that training takes at it (None: the approach's)."""

    train: int = Field(ge=1, description="conversations that adapters are trained on")
    validation: int = Field(ge=0, description="conversations for the loss during training; never trained on")
    test: int = Field(ge=1, description="conversations that candidates are compared on")
    test_splits: TestSplitSizes = TestSplitSizes()
    epochs: int | dict[str, int] | None = Field(default=None, description="of every approach, or by its name")

    @field_validator("epochs", mode="before")
    @classmethod
    def _are_counts(cls, value: Any) -> Any:
        counts = value.values() if isinstance(value, dict) else () if value is None else (value,)
        if any(type(count) is not int or not 1 <= count <= 100 for count in counts):
            raise ValueError("give a whole number from 1 to 100, or one for each approach: {paper: 5}")
        return value

    def epochs_of(self, approach: str) -> int | None:
        """Return the epochs that an approach takes at this scale, None where they are its own."""
        return self.epochs.get(approach) if isinstance(self.epochs, dict) else self.epochs
