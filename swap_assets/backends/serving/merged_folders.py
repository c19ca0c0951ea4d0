"""Where a candidate's merged models lie, and in which of three states.

    STORAGE/work/merged/CANDIDATE/ADAPTER/unproven/   merged, not yet scored again
    STORAGE/work/merged/CANDIDATE/ADAPTER/model/      scored again and no worse than its adapter
    STORAGE/work/merged/CANDIDATE/ADAPTER/blocked/    scored again and worse, kept to look at; the last one only

Merging itself lives in `merging`, and runs in a process of its own.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from swap_assets.backends.engines.local import artefact_hash
from swap_assets.backends.processes.specs import MergeResult, MergeSpec, Weights, write_spec
from swap_assets.backends.store.artefacts import write_text
from swap_assets.backends.store.workbench import Workbench
from swap_assets.domain.conversations import EvalCase
from swap_assets.domain.formats.base import AnswerFormat, Track
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import Candidate, Form
from swap_assets.domain.merged_model import MergedAdapter
from swap_assets.domain.model import content_hash
from swap_assets.domain.scoring.evaluation import Evaluation, hash_of_cases


class AdapterFolder(NamedTuple):
    """A trained adapter of a candidate and where it lies."""

    name: str
    answer_format: AnswerFormat
    path: Path


class MergedFolders:
    """The merged models of one candidate, one for each of its adapters, to be judged on `cases`."""

    def __init__(
        self, bench: Workbench, chosen: Candidate, adapters: Sequence[AdapterFolder], cases: Sequence[EvalCase]
    ) -> None:
        self._bench, self.chosen, self._cases = bench, chosen, list(cases)
        self._adapters = {item.name: item for item in adapters}
        self._work = {
            item.name: bench.merge(chosen, item.name, folder=item.path, cases=self._cases) for item in adapters
        }

    @property
    def candidate(self) -> Candidate:
        """The merged candidate."""
        return self.chosen.model_copy(update={"form": Form.MERGED})

    @property
    def base(self) -> Weights:
        """The weights that are merged into."""
        return self._bench.weights(self.chosen.model)

    @property
    def work(self) -> list[tuple[MergeSpec, Path]]:
        """What the process that merges is told, adapter by adapter."""
        return list(self._work.values())

    @property
    def answers_with(self) -> dict[Track, tuple[AnswerFormat, Path]]:
        """For each track the answer format to answer in, and the merged model that is to answer."""
        return {
            item.answer_format.track: (item.answer_format, self._work[name][0].output)
            for name, item in self._adapters.items()
        }

    def refusal(self, decision: Decision, before: Evaluation) -> str:
        """Say why the evaluation of the adapters cannot be what the merged model is compared with; "" where it can."""
        name = self.chosen.evaluation_asset
        if before.status != "evaluated":
            return f"{self.chosen.id} has no evaluation to compare the merged model with: {before.reason}"
        if decision.hashes.get(self.chosen.id, before.evidence_hash()) != before.evidence_hash():
            return f"release_decision rests on an older {name}; materialise release_decision again"
        if before.dataset_hash != hash_of_cases(self._cases):
            return f"{name} was made on other test rows; materialise {name} and release_decision again"
        if before.artefact_hash != self._artefact():
            return f"{name} was made with other adapters; materialise {name} and release_decision again"
        return ""

    def keep(self, results: Sequence[MergeResult]) -> dict[str, MergedAdapter]:
        """Put the unproven models in their final places and return what lies there."""
        kept = {
            name: _record(_move(result.model, "model"), result)
            for name, result in zip(self._adapters, results, strict=True)
        }
        for name, item in self._adapters.items():  # their answers' specs can be run by hand again
            folder = Path(kept[name].folder)
            write_spec(*self._bench.generation(self.candidate, item.answer_format, self._cases, adapter=folder))
        return kept

    def set_aside(self, evaluation: Evaluation) -> list[Path]:
        """Keep blocked models and what they scored out of everybody's way, and return where they lie."""
        moved = [_move(spec.output, "blocked") for spec, _ in self._work.values()]
        for folder in moved:
            write_text(folder.with_name("blocked_evaluation.json"), evaluation.model_dump_json(indent=1))
        return moved

    def _artefact(self) -> str:
        """Name the weights that the adapters answer with, as their evaluation does."""
        specs = [
            self._bench.generation(self.chosen, item.answer_format, self._cases, adapter=item.path)[0]
            for item in self._adapters.values()
        ]
        return content_hash([artefact_hash(spec) for spec in specs])


def _record(folder: Path, result: MergeResult) -> MergedAdapter:
    return MergedAdapter(
        folder=str(folder),
        merged_hash=result.merged_hash,
        adapter_hash=result.adapter_hash,
        prompt_hash=result.prompt_hash,
        parity_rows=result.parity_rows,
        equal_texts=result.equal_texts,
        max_logit_difference=result.max_logit_difference,
    )


def _move(folder: Path, name: str) -> Path:
    """Rename a folder beside itself; what lay there before goes only when the new one is in place."""
    final, before = folder.with_name(name), folder.with_name(f"{name}.old")
    shutil.rmtree(before, ignore_errors=True)
    if final.exists():
        final.rename(before)
    folder.rename(final)
    shutil.rmtree(before, ignore_errors=True)
    return final
