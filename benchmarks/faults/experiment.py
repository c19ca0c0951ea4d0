"""The experiment that the campaign of faults works on: rows, models and a hosted LLM of its own, each step of seconds.

Everything lies in one folder; the hosted LLM lives in the campaign's process and counts what it is asked. What is
compared afterwards is a step's result without times and costs: hashes of weights, rows with their scores, the report.
"""

import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.real_size_stand_ins import hosted_model, make_models, write_answers
from swap_assets.backends.datasets.loading import load_sources
from swap_assets.domain.experiment.experiment import parse_experiment
from swap_assets.domain.keys import (
    BASELINE_ASSETS,
    COMPARISON_REPORT,
    FINE_TUNE_DECISION,
    LLM_BASELINE,
    MERGED_MODEL,
    ROOT_ASSETS,
    SCALE_UP_DECISION,
    SEALED_ASSETS,
    SLM_BASELINE,
)  # fmt: skip
from swap_assets.domain.synthetic.generator import GeneratorSettings, generate

ROOT = Path(__file__).parents[2]
PARTITION, SCALE = "little|tiny", "tiny"
CONCURRENCY = 4
_DELAY_S = 1.0  # of each answer of the hosted model
_OVERRIDE = {"ops": {MERGED_MODEL: {"config": {"override_reason": "a campaign of faults", "override_by": "it"}}}}
_PASSING = re.compile(r"latency|second|_s$|cost|price|throughput|tokens_per|created|started|ended|run_id|time|hour|_at$"
                      r"|folder|path|reused|peak|free|available|hardware|speed|wall|money|resumed|log"
                      r"|^seal$")  # fmt: skip


class Step(NamedTuple):
    """Assets that one command makes, and what they need to be there first."""

    title: str
    assets: tuple[str, ...]
    partition: str = ""
    config: str = ""

    @property
    def command(self) -> list[str]:
        """What is typed."""
        typed = [str(Path(sys.executable).with_name("swap-assets")), "materialize", ",".join(self.assets)]
        typed += ["--partition", self.partition] if self.partition else []
        return [*typed, "--config-json", self.config] if self.config else typed


STEPS = (
    Step("conversations", ROOT_ASSETS[:2]),
    Step("splits", tuple(name for name in BASELINE_ASSETS if name != LLM_BASELINE), SCALE),
    Step("hosted answers", (LLM_BASELINE,), SCALE),
    Step("local answers", (SLM_BASELINE,), PARTITION),
    Step("decision to train", (FINE_TUNE_DECISION,), PARTITION),
    Step("training", ("paper_adapter",), PARTITION),
    Step("answers of an adapter", ("paper_evaluation",), PARTITION),
    Step("report", (COMPARISON_REPORT, SCALE_UP_DECISION), SCALE),
    Step("sealed rows", SEALED_ASSETS, PARTITION),
    Step("merging", (MERGED_MODEL,), PARTITION, json.dumps(_OVERRIDE)),
)
KILLED = ("hosted answers", "local answers", "training", "answers of an adapter", "report", "merging")


class Laboratory:
    """A folder with the experiment, the environment of its commands, and what the hosted model was asked."""

    def __init__(self, folder: Path, url: str, asked: Counter[str], mark: str) -> None:
        self.folder, self.asked = folder, asked
        settings = _settings(folder) | {"hosted_model": _hosted(url)}
        (folder / "swap.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if name not in ("SWAP_CONFIG", "DAGSTER_HOME")}
        self.environment = kept | {
            "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "200", MARK: mark,
        }  # fmt: skip

    @property
    def state(self) -> Path:
        """Where the experiment keeps everything."""
        return self.folder / "state"

    def keep(self, name: str) -> None:
        """Copy the experiment's state aside."""
        shutil.copytree(self.state, self.folder / f"kept-{name}", symlinks=True)

    def restore(self, name: str) -> None:
        """Put a kept state back."""
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self.folder / f"kept-{name}", self.state, symlinks=True)

    def result(self, step: Step) -> dict[str, Any]:
        """Return what a step has made, without what differs from run to run: times, costs, folders."""
        found = dict[str, Any]()
        for asset in step.assets:
            for file in sorted((self.state / "assets" / asset).glob("*.json")):
                if not file.name.endswith(".record.json"):
                    found[f"{asset}/{file.name}"] = _lasting(json.loads(file.read_text(encoding="utf-8")))
        return found


MARK = "SWAP_FAULTS_CAMPAIGN"  # in the environment of everything that the campaign starts


@contextmanager
def laboratory(folder: Path, mark: str) -> Iterator[Laboratory]:
    """Make rows and models in a folder, serve the hosted model while the block runs, and yield the experiment."""
    folder.mkdir(parents=True, exist_ok=True)
    experiment = parse_experiment(_settings(folder) | {"hosted_model": _hosted("http://127.0.0.1:1/v1")})
    rows = load_sources(experiment.all_sources).conversations
    models = folder / "models"
    models.mkdir(exist_ok=True)
    make_models(models, ["\n".join([str(row.tools), *(turn.text for turn in row.turns)]) for row in rows], ["little"])
    fill = generate(GeneratorSettings(rows=300, seed=7, tools_per_domain=1, max_distractors=1, verbatim_values=True))
    write_answers(models, [*rows, *fill])
    asked = Counter[str]()
    with hosted_model(models, asked=asked, delay_s=_DELAY_S) as url:
        yield Laboratory(folder, url, asked, mark)


def _settings(folder: Path) -> dict[str, Any]:
    """Return the tests' experiment with one model and scale, and steps that last some seconds each."""
    path = ROOT / "swap_assets_tests" / "data" / "experiment.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    model = settings["models"]["little"] | {"path": str(folder / "models" / "little"), "max_answer_tokens": 300}
    training = settings["approaches"]["paper"]["training"] | {"epochs": 30, "checkpoint_minutes": 0.02}
    settings["approaches"] = {"paper": settings["approaches"]["paper"] | {"training": training}}
    settings["gates"]["release"]["approval"] = "none"
    return settings | {
        "name": "faults", "storage": str(folder / "state"), "models": {"little": model},
        "scales": {SCALE: settings["scales"][SCALE]}, "automation": {"sensors": "running", "every_s": 5},
    }  # fmt: skip


def _hosted(url: str) -> dict[str, Any]:
    return {"key": "big", "provider": "openai", "model": "gpt-4o-stand-in", "base_url": url, "tool_role": "user",
            "concurrency": CONCURRENCY, "prompt_style": "compact", "price": {"input_per_million": 1.0,
            "output_per_million": 2.0}}  # fmt: skip


def first_difference(known: Any, found: Any, at: str = "") -> str:
    """Return where two results part and what each has there, "" where they are equal."""
    if isinstance(known, dict) and isinstance(found, dict):
        pairs = ((f"{at}.{key}", known.get(key), found.get(key)) for key in sorted(known.keys() | found.keys()))
    elif isinstance(known, list) and isinstance(found, list) and len(known) == len(found):
        pairs = ((f"{at}[{place}]", one, other) for place, (one, other) in enumerate(zip(known, found, strict=True)))
    else:
        return "" if known == found else f"{at}: {known!r:.60} became {found!r:.60}"
    return next((told for place, one, other in pairs if (told := first_difference(one, other, place))), "")


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items() if not _PASSING.search(key)}
    return [_lasting(each) for each in value] if isinstance(value, list) else value
