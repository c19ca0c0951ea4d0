"""Loading a source of the experiment file: fetch, read, parse, set duplicates aside, and account for every row."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from swap_assets.backends.datasets.files import BadLine, SourceError, read_file
from swap_assets.backends.hub.access import HubUnreachableError, fetch, is_cached
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.sources import (
    HubSource,
    LoadedSource,
    LocalSource,
    Source,
    SyntheticSource,
    label_of,
)
from swap_assets.domain.model import Conversation, Quarantined
from swap_assets.domain.reading.parsing import parse_row, set_beginnings_aside, set_duplicates_aside
from swap_assets.domain.reading.row_reading import QuarantineReason
from swap_assets.domain.splits.scale_split import DatasetSplit, split_experiment
from swap_assets.domain.synthetic.generator import generate

Parsed = Conversation | Quarantined
Progress = Callable[[int], None]
_MUCH_SET_ASIDE = 0.2  # of a source's rows: from here on its first line says so
_BFCL_ANSWERS = "possible_answer"  # BFCL keeps the accepted answers in a folder beside its questions


def load_sources(sources: Sequence[Source]) -> LoadedSource:
    """Load all sources as one, a row that an earlier one has too set aside; SourceError where one can't be used."""
    loaded = [(label_of(source), load_source(source)) for source in sources]
    if len(loaded) == 1:
        return loaded[0][1]
    rows = (_called(row, label) for label, each in loaded for row in each.conversations)
    kept, repeats = set_duplicates_aside(rows)
    return LoadedSource(
        conversations=tuple(kept),
        quarantined=(*(row for _, each in loaded for row in each.quarantined), *repeats),
        rows_in=sum(each.rows_in for _, each in loaded),
        notes=tuple(f"{label}: {'; '.join((f'{each.rows_in} rows', *each.notes))}" for label, each in loaded),
        first_line_warning=" ".join(each.first_line_warning for _, each in loaded if each.first_line_warning),
    )


def without_download(sources: Sequence[Source]) -> bool:
    """Whether every row lies on this machine: generated, in local files, or in the hub's cache."""
    return all(is_cached(source, config) for source in sources if isinstance(source, HubSource)
               for config in source.files)  # fmt: skip


def try_splits(experiment: Experiment) -> tuple[LoadedSource, dict[str, DatasetSplit]]:
    """Load and split as the assets will; SourceError where a source can't be used, TooFewRowsError by the splits."""
    loaded = load_sources(experiment.all_sources)
    return loaded, {scale: split_experiment(experiment, loaded.conversations, scale=scale)
                    for scale in experiment.scales}  # fmt: skip


def _called(row: Conversation, label: str) -> Conversation:
    """Return a row under its source's name, which generated ones that stand in for others do not have."""
    if row.provenance.source == label:
        return row
    return row.model_copy(update={"provenance": row.provenance.model_copy(update={"source": label})})


def load_source(source: Source, *, progress: Progress | None = None) -> LoadedSource:
    """Load every row of a source; what can't be read is quarantined with its reason.

    `progress` is called with the number of rows read so far. SourceError where the source can't be used.
    """
    if isinstance(source, SyntheticSource):
        return _account(generate(source.generator), progress, what="the generator")
    if isinstance(source, LocalSource):
        paths = local_paths(source)
        answers, outputs = _batch_answers(paths) if len(paths) > 1 else ({}, frozenset())
        rows = (row for path in paths if path not in outputs
                for row in _rows(path, source, path.name.split(".")[0], batch=answers))  # fmt: skip
        return _account(rows, progress, what=", ".join(map(str, _as_list(source.path))))
    try:
        paths = {config: fetch(source, config) for config in source.files}
    except HubUnreachableError as error:
        if source.fallback == "none":
            raise
        made, why = source.generator, str(error)
        warning = f"THE DATA ARE SYNTHETIC: {made.rows} generated conversations stand in, because {why.split(';')[0]}."
        return _account(generate(made), progress, what="the generator", notes=(why,), warning=warning)
    rows = (row for config, path in paths.items() for row in _rows(path, source, config, source.revision))
    return _account(rows, progress, what=source.dataset)


def local_paths(source: LocalSource) -> list[Path]:
    """Return the files that a source names, `$VARIABLES`, `~` and globs expanded; SourceError where one fits none."""
    paths: list[Path] = []
    for name in _as_list(source.path):
        pattern = Path(os.path.expandvars(name)).expanduser()
        inside = pattern.relative_to(pattern.anchor)
        found = [pattern] if pattern.exists() else sorted(Path(pattern.anchor).glob(str(inside)))
        if not found:
            unset = "; the variable in it is not set" if "$" in str(pattern) else ""
            raise SourceError(f"there is no file {name}{unset}; correct `path` or put the file there")
        paths += [each for each in found if each not in paths]
    return paths


def _as_list(path: str | tuple[str, ...]) -> tuple[str, ...]:
    return (path,) if isinstance(path, str) else path


def _rows(
    path: Path, source: LocalSource | HubSource, config: str, revision: str = "", *, batch: dict[str, Any] | None = None
) -> Iterator[Parsed]:
    answers, where = _bfcl_answers(path), {"source": label_of(source), "config": config}
    for index, row in enumerate(islice(read_file(path), source.max_rows)):
        if isinstance(row, BadLine):
            why = QuarantineReason.LINE_NOT_JSON
            yield Quarantined(**where, row=index, reason=why, detail=row.problem, raw=row.text)
            continue
        if answers and isinstance(row, dict) and row.get("id") in answers:
            row = {**row, "ground_truth": answers[row["id"]]}
        if batch and isinstance(row, dict) and "response" not in row and row.get("custom_id") in batch:
            row = {**row, "response": batch[row["custom_id"]]}
        yield parse_row(row, **where, index=index, revision=revision, origin=source.origin)


def _batch_answers(paths: list[Path]) -> tuple[dict[str, Any], frozenset[Path]]:
    """Return the answers of a batch's output files by `custom_id`, and these files; none where no input is beside."""
    heads = {path: next(iter(read_file(path)), None) for path in paths}
    batches = {path: row for path, row in heads.items() if isinstance(row, dict) and "custom_id" in row}
    outputs = frozenset(path for path, row in batches.items() if "body" not in row)
    if not outputs or len(outputs) == len(batches):
        return {}, frozenset()
    rows = [row for path in outputs for row in read_file(path) if isinstance(row, dict)]
    return {str(row.get("custom_id")): row.get("response") for row in rows}, outputs


def _bfcl_answers(path: Path) -> dict[str, Any]:
    answers = path.parent / _BFCL_ANSWERS / path.name
    if not answers.is_file():
        return {}
    rows = [row for row in read_file(answers) if isinstance(row, dict)]
    return {str(row.get("id")): row.get("ground_truth") for row in rows}


def _account(
    rows: Iterable[Parsed], progress: Progress | None, *, what: str, notes: tuple[str, ...] = (), warning: str = ""
) -> LoadedSource:
    conversations: list[Conversation] = []
    quarantined: list[Quarantined] = []
    for count, row in enumerate(rows, start=1):
        if progress is not None:
            progress(count)
        if isinstance(row, Quarantined):
            quarantined.append(row)
        else:
            conversations.append(row)
    rows_in = len(conversations) + len(quarantined)
    if not rows_in:
        raise SourceError(f"{what} holds no rows; give a source with at least one")
    if not conversations:
        reasons = Counter(row.reason for row in quarantined).most_common(3)
        said = ", ".join(f"{count} {reason}" for reason, count in reasons)
        raise SourceError(
            f"none of the {rows_in} rows of {what} can be read ({said}; first: {quarantined[0].detail}); expected rows "
            "with `conversations` (Hermes, glaive), `messages` (OpenAI chat logs) or another shape of docs/data.md"
        )
    if len(quarantined) >= _MUCH_SET_ASIDE * rows_in:
        said = ", ".join(
            f"{count} {reason}" for reason, count in Counter(row.reason for row in quarantined).most_common()
        )
        warning = f"{warning} {len(quarantined)} OF {rows_in} ROWS OF {what} ARE SET ASIDE: {said}.".strip()
    kept, repeats = set_duplicates_aside(conversations)
    kept, beginnings = set_beginnings_aside(kept) if kept[0].provenance.origin == "production" else (kept, [])
    return LoadedSource(
        conversations=tuple(kept),
        quarantined=(*quarantined, *repeats, *beginnings),
        rows_in=rows_in,
        notes=notes,
        first_line_warning=warning,
    )
