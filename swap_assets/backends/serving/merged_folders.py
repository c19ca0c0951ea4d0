"""Where a candidate's merged models lie, and in which of three states.

    STORAGE/work/merged/CANDIDATE/ADAPTER/unproven/   merged, not yet scored again
    STORAGE/work/merged/CANDIDATE/ADAPTER/model/      scored again and no worse than its adapter
    STORAGE/work/merged/CANDIDATE/ADAPTER/blocked/    scored again and worse, kept to look at; the last one only

Merging itself lives in `merging`, and runs in a process of its own.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from swap_assets.backends.processes.spec_building import base_weights, generation_spec, merge_spec
from swap_assets.backends.processes.specs import MergeResult, MergeSpec, Weights, write_spec
from swap_assets.backends.store.artefacts import ArtefactStore, write_text
from swap_assets.domain.experiment.experiment import Experiment
from swap_assets.domain.keys import Candidate, Form
from swap_assets.domain.lora_adapter import Artefact
from swap_assets.domain.merged_model import MergedAdapter
from swap_assets.domain.scoring.evaluation import Evaluation


class MergedFolders:
    """The merged models of one candidate, one for each of its adapters; the first stored cases check each merge.

    An untouched base has no adapters, and so nothing to merge.
    """

    def __init__(
        self,
        experiment: Experiment,
        store: ArtefactStore,
        chosen: Candidate,
        artefacts: Sequence[Artefact],
        cases_files: tuple[Path, ...],
    ) -> None:
        self._experiment, self._store, self._cases_files = experiment, store, cases_files
        self.candidate = chosen.model_copy(update={"form": Form.MERGED})
        self._adapters = [item for item in artefacts if item.path]
        self.work: list[tuple[MergeSpec, Path]] = [
            merge_spec(experiment, store, chosen, item.name, folder=item.path, cases_files=cases_files)
            for item in self._adapters
            if item.path
        ]
        self.results: Sequence[MergeResult] = ()

    @property
    def base(self) -> Weights:
        """The weights that are merged into."""
        return base_weights(self._experiment, self.candidate.model)

    @property
    def unproven(self) -> list[Artefact]:
        """The merged models that are to answer before they count."""
        return [item._replace(path=spec.output) for item, (spec, _) in zip(self._adapters, self.work, strict=True)]

    def keep(self) -> dict[str, MergedAdapter]:
        """Put the unproven models in their final places and return what lies there."""
        kept = {}
        for item, result in zip(self._adapters, self.results, strict=True):
            folder = _move(result.model, "model")
            kept[item.name] = _record(folder, result)
            spec, place = generation_spec(
                self._experiment, self._store, self.candidate, item.answer_format, self._cases_files, adapter=folder
            )
            write_spec(spec, place)  # so that it can be run by hand again
        return kept

    def set_aside(self, evaluation: Evaluation) -> list[Path]:
        """Keep blocked models and what they scored out of everybody's way, and return where they lie."""
        moved = [_move(spec.output, "blocked") for spec, _ in self.work]
        for folder in moved:
            write_text(folder.with_name("blocked_evaluation.json"), evaluation.model_dump_json(indent=1))
        return moved


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
