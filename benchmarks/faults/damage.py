"""Damaged bytes in every kind of file that is read back: the same is read, or a sentence says what to make again.

One bit, 200 bytes, a block of zeros, a cut end, two swapped blocks. The files are made by the product's own writers.
"""

import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.faults.outcomes import Outcome, counted
from swap_assets.backends.engines.generation import RecordFile, RecordsError, read_rows, write_rows
from swap_assets.backends.hosted.cache import AnswerCache, CacheError, Spend
from swap_assets.backends.hosted.messages import Reply
from swap_assets.backends.methods.checkpoints import Checkpoints, Progress
from swap_assets.backends.methods.data import ExamplesError, read_track
from swap_assets.backends.models.provenance import ADAPTER_CARD, AdapterCard, adapter_card, adapter_hash, file_hash
from swap_assets.backends.processes.specs import TrainSpec, Weights
from swap_assets.backends.store import artefacts
from swap_assets.backends.store.whole import UnreadableError, write_json
from swap_assets.domain.experiment.recipes import LoraSettings, TrainingSettings
from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.model import Conversation, EvalCase
from swap_assets.domain.predictions import PredictionRecord
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets.domain.synthetic.generator import GeneratorSettings, generate
from swap_assets.domain.tracks import TrackData, toolcall_track
from swap_assets_tests.domain.evaluations import LLM, evaluation, shares
from swap_assets_tests.fakes import weather_case

SENTENCES = (UnreadableError, RecordsError, CacheError, ExamplesError)
KEYS = [f"{number:064x}" for number in range(60)]


class Kind(NamedTuple):
    """One file, how it is read, and what else belongs to it and is put back before each damage."""

    name: str
    path: Path
    read: Callable[[], Any]
    beside: tuple[Path, ...] = ()
    # What may be missing from what is read, because it is made again and the log says so.
    subset: bool = False


def run(draws: random.Random, *, damages: int) -> Iterator[Outcome]:
    """Damage each kind of file in turn and yield a line for each kind."""
    with tempfile.TemporaryDirectory() as folder:
        kinds = list(_kinds(Path(folder)))
        for at, kind in enumerate(kinds):
            yield _tried(kind, draws, damages // len(kinds) + (at < damages % len(kinds)))


def damaged(raw: bytes, draws: random.Random) -> bytes:
    """Return bytes with one kind of damage, never the same ones."""
    found = bytearray(raw)
    block = max(1, min(64, len(raw) // 4))
    at, other = (draws.randrange(max(1, len(raw) - block)) for _ in range(2))
    match draws.choice(("bit", "bit", "bytes", "zeros", "cut", "swap")):
        case "bit":
            found[at] ^= 1 << draws.randrange(8)
        case "bytes":
            for _ in range(200):
                found[draws.randrange(len(found))] = draws.randrange(256)
        case "zeros":
            found[at : at + block] = bytes(block)
        case "cut":
            del found[draws.randrange(len(found)) :]
        case _:
            found[at : at + block], found[other : other + block] = (
                found[other : other + block], found[at : at + block],
            )  # fmt: skip
    return bytes(found) if bytes(found) != raw else damaged(raw, draws)


def _tried(kind: Kind, draws: random.Random, damages: int) -> Outcome:
    whole, ends, why = {path: path.read_bytes() for path in (kind.path, *kind.beside)}, [], ""
    before = kind.read()
    for _ in range(damages):
        for path, raw in whole.items():
            path.write_bytes(raw)
        kind.path.write_bytes(damaged(whole[kind.path], draws))
        try:
            found = kind.read()
            same = found == before or (kind.subset and all(item in before for item in found))
            end = "survived" if found == before else "told" if same else "silent"
        except SENTENCES as error:
            end = "told" if "\n" not in str(error) and str(kind.path.parent) in str(error) else "silent"
            why = why or (f"{kind.name}: {error}" if end == "silent" else "")
        ends.append(end)
    for path, raw in whole.items():
        path.write_bytes(raw)
    return counted(f"damage: {kind.name}", ends, why=why)


def _kinds(root: Path) -> Iterator[Kind]:
    store, rows = artefacts.ArtefactStore(root), list(generate(GeneratorSettings(rows=40)))[:40]
    scored = evaluation(LLM, shares(80, 100))
    path = store.write("llm_baseline", "tiny", scored, kind=Evaluation)
    yield Kind("a value (JSON)", path, lambda: store.read("llm_baseline", "tiny", Evaluation))
    records = Kind("a value's record", artefacts.record_path(path), lambda: _records(store))
    yield records
    path = store.write("hermes_conversations", None, rows, kind=list[Conversation])
    yield Kind("rows (Parquet)", path, lambda: store.read("hermes_conversations", None, list[Conversation]))
    cases = [weather_case(f"City{number}") for number in range(40)]
    split = store.write("single_turn_test", "tiny", cases, kind=list[EvalCase])
    yield Kind("test rows (Parquet)", split, lambda: artefacts.read_rows(split, EvalCase))
    track = store.write(
        "toolcall_track", "tiny", TrackData(train=tuple(toolcall_track(rows)), validation=()), kind=TrackData
    )
    yield Kind("training rows (JSON)", track, lambda: read_track(track))
    yield from _answers(store, cases)
    yield from _trained(store, track)


def _records(store: artefacts.ArtefactStore) -> Any:
    artefacts.evaluation_record_of.cache_clear()
    return store.evaluation_records("llm_baseline", ["tiny"])


def _answers(store: artefacts.ArtefactStore, cases: list[EvalCase]) -> Iterator[Kind]:
    said = [
        PredictionRecord(
            case_id=case.id, conversation_id=case.id, candidate_id="c", answer_format=HERMES, request_hash=case.id,
            prompt_hash="p", text=f"answer {case.id} " * 5, finish_reason="stop",
        )
        for case in cases
    ]  # fmt: skip
    path = write_rows(store.work("answers", "c", "hermes") / "predictions.jsonl", said)
    wanted = {one.case_id: one.request_hash for one in said}
    reuse = lambda: RecordFile(path, wanted, candidate_id="c").finish()  # noqa: E731
    yield Kind("records, to be used again", path, reuse, subset=True)
    yield Kind("records, to be scored", path, lambda: read_rows(path, PredictionRecord))
    base = store.work("hosted") / "answers.sqlite3"
    with AnswerCache(base) as cache:
        for number, key in enumerate(KEYS):
            reply = Reply(text=f"answer {number} " * 20, finish_reason="stop")
            cache.keep(key, reply, Spend(money=0.01 * number, tokens=number), model="m", epoch="e")
    journal = base.with_suffix(".jsonl")
    yield Kind("paid answers (SQLite)", base, lambda: _paid(base), beside=(journal,))
    yield Kind("their journal", journal, lambda: _paid(base), beside=(base,))


def _paid(base: Path) -> Any:
    with AnswerCache(base) as cache:
        return cache.find(KEYS), cache.spent("m", "e")


def _trained(store: artefacts.ArtefactStore, track: Path) -> Iterator[Kind]:
    folder = store.work("trainings", "c", "toolcall") / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(random.Random(1).randbytes(20_000))
    (folder / "adapter_config.json").write_text('{"r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}')
    spec = TrainSpec(candidate_id="c", weights=Weights(source="base"), data_file=track, answer_format=HERMES,
                     prompt_style=PromptStyle.HERMES, output=folder, lora=LoraSettings(r=8, alpha=16),
                     training=TrainingSettings(batch_size=2, learning_rate=1e-3, epochs=1))  # fmt: skip
    hashes = {path.name: file_hash(path) for path in folder.iterdir()}
    named = dict.fromkeys(("base_hash", "dataset_hash", "prompt_hash"), "0" * 16)
    card = AdapterCard(**named, adapter_hash=adapter_hash(folder), versions={}, spec=spec, files=hashes)
    write_json(folder / ADAPTER_CARD, card)
    for name in ("adapter_model.safetensors", "adapter_config.json", ADAPTER_CARD):
        yield Kind(f"an adapter's {name}", folder / name, lambda: adapter_card(folder, again="train it again"))
    checkpoints = Checkpoints(folder.parent / "checkpoints", {"seed": "1"})
    for step in (4, 8):
        part = checkpoints.unfinished / f"checkpoint-{step}"
        part.mkdir(parents=True)
        (part / "optimizer.pt").write_bytes(random.Random(step).randbytes(9_000))
        checkpoints.commit(Progress(step=step))
    for name in ("optimizer.pt", "manifest.json"):
        # The one before is taken: training goes on from there, and ends in the same weights.
        steps = lambda: [found.step] if (found := checkpoints.last()) and found.step == 8 else []  # noqa: E731
        yield Kind(f"a checkpoint's {name}", checkpoints.path(8) / name, steps, subset=True)
