"""Building a scale's report from the experiment's folder: reading everything that is there, tolerantly.

The texts of answers are looked up by case without parsing every record: a candidate has thousands, a report shows few.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from swap_assets.backends.models.provenance import file_hash, git_commit, versions
from swap_assets.backends.processes.spec_building import RECORDS_FILE
from swap_assets.backends.processes.specs import RESULT_FILE
from swap_assets.backends.report.archive import previous_report
from swap_assets.backends.store.artefacts import ArtefactMissingError, ArtefactStore
from swap_assets.backends.store.evidence import Evidence
from swap_assets.backends.store.experiment_file import experiment_path
from swap_assets.backends.store.whole import DamagedError, UnreadableError, parse_json, unsealed
from swap_assets.domain import keys
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.experiment.sources import hub_datasets
from swap_assets.domain.formats.base import Track, answer_formats, named_format
from swap_assets.domain.gates.gate import materialize
from swap_assets.domain.judging.criteria import criteria_of
from swap_assets.domain.keys import Candidate
from swap_assets.domain.model import EvalCase, content_hash
from swap_assets.domain.report.comparison import Report, build_report, with_previous
from swap_assets.domain.report.endings import whose_answers_do_not_end
from swap_assets.domain.report.inputs import AnswerText, BaseModelOrigin, GenerationRun, ReportInputs, TrainingRun
from swap_assets.domain.report.wording import display_name
from swap_assets.domain.splits.scale_split import DatasetSplit
from swap_assets.domain.weights import LoraAdapter, MergedModel

Value = TypeVar("Value")
# The first that is no part of a text, where quotes are escaped; what a model wrote comes after it.
_CASE = re.compile(rb'[{,]"case_id":("(?:[^"\\]|\\.)*")')


def report_folder(store: ArtefactStore, scale: str) -> Path:
    """Return (and make) the folder of a scale's report."""
    return store.work("reports", scale)


def build_scale_report(
    experiment: Experiment, store: ArtefactStore, scale: str, *, notices: Sequence[str], source: str,
    test_cases: Callable[[str], list[EvalCase]], now: str,
) -> Report:  # fmt: skip
    """Build a scale's report from what is there now, compared with the newest one on other evidence.

    `notices` are what every report opens with, `source` what was said when the rows were read, `now` the time in UTC;
    `test_cases` reads a scale's test cases and may raise ArtefactMissingError.
    """
    path = experiment_path()
    read = {"experiment file": f"{path.name}, sha256 {file_hash(path)}", "source": source or "not read yet"}
    origin = read | {f"version of {name}": version for name, version in versions().items()}
    inputs = _inputs(experiment, store, scale, test_cases)
    told = (*notices, *_overrides(experiment, store, scale), *whose_answers_do_not_end(inputs.evaluated))
    about = {"notices": told, "provenance": origin, "generated_at": now}
    report = build_report(inputs.model_copy(update=about))
    return with_previous(report, previous_report(report_folder(store, scale), report.evidence()))


def _overrides(experiment: Experiment, store: ArtefactStore, scale: str) -> Iterator[str]:
    """Say which models were merged against their gate, as the first thing that a report says."""
    for model in experiment.models:
        merged = _there(store, keys.MERGED_MODEL, keys.partition_key(model, scale), MergedModel)
        if merged and merged.override:
            name = display_name(merged.candidate_id)
            yield f"{name} was not let through: it was merged by an override of {merged.override} (self-declared)"


def _inputs(
    experiment: Experiment, store: ArtefactStore, scale: str, test_cases: Callable[[str], list[EvalCase]]
) -> ReportInputs:
    """Gather what was measured and decided, without what is only said of it."""
    evidence = Evidence(experiment, store, scale)
    state, evaluations = evidence.state, evidence.everything()
    llm_id = state.hosted(scale).id
    llm = next(item for item in evaluations if item.candidate.id == llm_id)
    judged = [item for item in evaluations if item.status == "evaluated" and item.candidate.id != llm_id]
    try:
        cases = {case.id: case for case in test_cases(scale)}
    except ArtefactMissingError:
        cases = {}
    return ReportInputs(
        experiment=experiment.name,
        scale=scale,
        evaluations=tuple(evaluations),
        llm_id=llm_id,
        policy=experiment.gates,
        prices=experiment.prices,
        decisions=tuple(state.decisions_of(scale)),
        approvals=tuple(found for key, found in state.approvals.items() if key in state.partitions(scale)),
        criteria={item.candidate.id: criteria_of(item, llm, experiment.gates) for item in judged},
        cases=cases,
        answer_text=answer_texts(store),
        trainings=training_runs(store, scale),
        generations=generation_runs(store, scale),
        split=_there(store, "dataset_split", scale, DatasetSplit),
        models=_origins(experiment),
        train_rows={name: entry.train for name, entry in experiment.scales.items()},
        other_scales=tuple(item for name in experiment.scales if name != scale
                           for item in Evidence(experiment, store, name).everything()),
        datasets=hub_datasets(experiment.all_sources),
        commands=tuple(_commands(experiment, scale)),
        facts=_facts(experiment, store, scale),
    )  # fmt: skip


def _there(store: ArtefactStore, asset: str, key: str, kind: type[Value]) -> Value | None:
    """Return a stored value; None where it is not there or of an earlier version. DamagedError where it is damaged."""
    try:
        return store.read(asset, key, kind)
    except DamagedError:
        raise
    except (ArtefactMissingError, UnreadableError):
        return None


def _origins(experiment: Experiment) -> dict[str, BaseModelOrigin]:
    found = {
        key: BaseModelOrigin(weights=model.weights, hub_id=model.hub_id, revision=model.hub_id and model.revision,
                             miniature=bool(model.miniature), parameters_billion=model.parameters_billion)
        for key, model in experiment.models.items()
    }  # fmt: skip
    hosted = experiment.hosted_model
    played = hosted.provider == "stand-in"
    return found | {hosted.key: BaseModelOrigin(weights=f"{hosted.provider}: {hosted.model}", miniature=played)}


def _commands(experiment: Experiment, scale: str) -> list[str]:
    """Return the commands that make the report again, in order; each takes assets of one kind of partition."""
    name = experiment_path().name
    if experiment.hosted_model.provider == "stand-in":
        return [f"swap-assets demo --config {name}"]
    per_model = (keys.SLM_BASELINE, keys.FINE_TUNE_DECISION, *experiment.adapter_assets())
    commands = [
        materialize(",".join(keys.ROOT_ASSETS)),
        materialize(",".join(keys.BASELINE_ASSETS), scale),
        *[
            materialize(
                ",".join((*per_model, *experiment.evaluation_assets(*entry.decoding))), keys.partition_key(model, scale)
            )
            for model, entry in experiment.models.items()
        ],
        materialize(f"{keys.COMPARISON_REPORT},{keys.SCALE_UP_DECISION}", scale),
    ]
    return [f"{command} --config {name}" for command in commands]


def _facts(experiment: Experiment, store: ArtefactStore, scale: str) -> dict[str, str]:
    """Return the hashes beside those of the evaluations: settings, code, training rows."""
    settings = experiment.model_dump(mode="json", exclude={"storage", "notice"})
    found = {"settings": content_hash(settings), "code": git_commit() or "no git checkout"}
    for model, asset in product(experiment.models, experiment.adapter_assets()):
        adapter = _there(store, asset, keys.partition_key(model, scale), LoraAdapter)
        if adapter and adapter.status == "trained":
            found[f"training rows of {display_name(adapter.candidate_id)}, {adapter.name}"] = adapter.dataset_hash
    return found


def answer_texts(store: ArtefactStore) -> AnswerText:
    """Return what looks up the text that a candidate answered, None where it was not kept; a file is read once."""

    @cache
    def lines(candidate: str, track: Track) -> dict[str, bytes]:
        folder = store.root / "work" / "answers" / candidate
        paths = (folder / one.name / RECORDS_FILE for one in answer_formats().values() if one.track is track)
        # The last record of a case is the one in force: an interrupted run may have left an earlier one.
        return {json.loads(found.group(1)): line for path in paths if path.is_file()
                for line in path.read_bytes().split(b"\n") if (found := _CASE.search(line))}  # fmt: skip

    def text(candidate: str, track: Track, case: str) -> str | None:
        if not (line := lines(candidate, track).get(case)):
            return None
        return json.loads(whole).get("text") if (whole := unsealed(line)) else "(this record is damaged)"

    return text


def training_runs(store: ArtefactStore, scale: str) -> tuple[TrainingRun, ...]:
    """Return the scale's trainings whose result is there, by candidate and adapter."""
    return tuple(_results(store.root / "work" / "trainings", scale, _training))


def generation_runs(store: ArtefactStore, scale: str) -> tuple[GenerationRun, ...]:
    """Return how fast the scale's local candidates answered, where their results are there."""
    return tuple(_results(store.root / "work" / "answers", scale, _generation))


def _results(folder: Path, scale: str, read: Callable[[str, str, dict[str, Any]], Value]) -> Iterator[Value]:
    for path in sorted(folder.glob(f"*/*/{RESULT_FILE}")):
        candidate = path.parents[1].name
        try:
            if Candidate.from_id(candidate).scale == scale:
                again = "materialise what wrote it again"
                yield read(candidate, path.parent.name, parse_json(path.read_bytes(), path, json.loads, again=again))
        except DamagedError:
            raise
        except (ValueError, OSError, KeyError, TypeError):
            continue  # half there, of an earlier version, or no candidate's folder: shown as not measured


# Only the fields that are shown are read, so that a result of an earlier version still tells its story.
def _training(candidate: str, adapter: str, data: dict[str, Any]) -> TrainingRun:
    return TrainingRun(
        candidate_id=candidate, adapter=adapter, rows=data["train_rows"]["used"], loss=data["loss_curve"],
        validation=data.get("validation_curve", ()), seconds=data["total_seconds"],
        peak_memory_mb=data.get("peak_memory_mb", 0),
        **{name: data[name] for name in ("steps", "tokens_per_second", "device")},
    )  # fmt: skip


def _generation(candidate: str, answer_format: str, data: dict[str, Any]) -> GenerationRun:
    return GenerationRun(
        candidate_id=candidate, track=named_format(answer_format).track, answers=data["asked"],
        per_second=data["rows_per_second"], seconds=data["total_seconds"], device=data["device"],
    )  # fmt: skip
