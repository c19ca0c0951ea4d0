"""The data stage beside a plain `json.loads` pass over the same bytes: rate and peak memory as rows grow.

    python -m benchmarks.data [ROWS ...]          default 1000 10000 100000

For every size one new process generates the rows, parses them from disk, sets duplicates aside and splits them, and
another new process only reads the same files with `json.loads`. Seconds are processor time, so that other work on the
machine does not count; memory is the most that the system says a process took. Linear means that the seconds for each
row, and the memory beyond the start, grow no faster than the rows.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swap_assets.domain.model import Conversation

SIZES = (1_000, 10_000, 100_000)
_TIMEOUT = 1_800  # seconds for one process
_MIB = 1024  # ru_maxrss is in KiB on Linux


def main(sizes: tuple[int, ...] = SIZES) -> None:
    """Measure every size and print one Markdown table."""
    print("| rows | " + " | ".join(_COLUMNS) + " |")
    print("|" + " --- |" * (len(_COLUMNS) + 1))
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            stage = _in_new_process("stage", rows, folder)
            plain = _in_new_process("plain", rows, folder)
        print(f"| {rows:,} | " + " | ".join(_row(rows, stage, plain)) + " |", flush=True)


_COLUMNS = (
    "MB of JSON",
    "generate rows/s",
    "parse and deduplicate rows/s",
    "split rows/s",
    "peak MiB",
    "plain json.loads rows/s",
    "its peak MiB",
    "parse / json.loads (time)",
    "distinct requests",
    "closest pair",
)


def _row(rows: int, stage: dict[str, Any], plain: dict[str, Any]) -> list[str]:
    return [
        f"{stage['bytes'] / 1e6:.1f}",
        f"{rows / stage['generate']:,.0f}",
        f"{rows / stage['load']:,.0f}",
        f"{rows / stage['split']:,.0f}",
        f"{stage['peak']:.0f}",
        f"{rows / plain['loads']:,.0f}",
        f"{plain['peak']:.0f}",
        f"{stage['load'] / plain['loads']:.1f}x",
        f"{100 * stage['distinct']:.2f} %",
        f"{stage['closest']:.2f}",
    ]


def _in_new_process(what: str, rows: int, folder: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.data", f"--{what}", str(rows), folder]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, timeout=_TIMEOUT, check=True).stdout)


def measure_stage(rows: int, folder: Path) -> dict[str, Any]:
    """Generate, parse, deduplicate and split; seconds by step, peak memory in MiB."""
    from swap_assets.backends.datasets.loading import load_source
    from swap_assets.domain.experiment.sources import LocalSource, Scale
    from swap_assets.domain.splits.scale_split import split_scale

    started = time.process_time()
    paths = _generate(rows, folder)
    generated = time.process_time()
    loaded = load_source(LocalSource(path=tuple(map(str, paths)), origin="synthetic"))
    parsed = time.process_time()
    sizes = Scale(train=rows * 4 // 10, validation=rows // 20, test=min(200, rows // 10))
    split = split_scale(
        loaded.conversations, scale="all", scales={"all": sizes}, release_test=min(500, rows // 20), seed=42
    )
    finished = time.process_time()
    requests = {row.turns[0].text for row in loaded.conversations}
    return {
        "generate": generated - started,
        "load": parsed - generated,
        "split": finished - parsed,
        "bytes": sum(path.stat().st_size for path in paths),
        "distinct": len(requests) / loaded.rows_in,
        "closest": split.leakage.closest_similarity,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB,
    }


def _generate(rows: int, folder: Path) -> list[Path]:
    """Write generated rows, one file a pool, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    from swap_assets.domain.synthetic.generator import GeneratorSettings, generate

    paths = {pool: folder / f"{pool}.jsonl" for pool in ("train", "test")}
    files = {pool: path.open("w", encoding="utf-8") for pool, path in paths.items()}
    stream = generate(GeneratorSettings(rows=rows))
    console = Console(stderr=True)
    for row in track(stream, f"{rows:,} rows", total=rows, console=console, disable=not console.is_terminal):
        files[row.provenance.config].write(json.dumps(write_row(row), ensure_ascii=False) + "\n")
    for file in files.values():
        file.close()
    return list(paths.values())


def measure_plain(folder: Path) -> dict[str, Any]:
    """Read the same files with `json.loads`, line by line, keeping nothing."""
    started = time.process_time()
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as lines:
            for line in lines:
                json.loads(line)
    seconds = time.process_time() - started
    return {"loads": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB}


def write_row(conversation: "Conversation") -> dict[str, Any]:
    """Write a conversation as a row of the dataset's current revision; `parse_row` reads it back unchanged."""
    from swap_assets.domain.formats.base import PromptStyle
    from swap_assets.domain.formats.hermes import HERMES
    from swap_assets.domain.formats.prompts import render_messages, tool_schema

    messages = render_messages(conversation.tools, conversation.turns, answer_format=HERMES, style=PromptStyle.HERMES)
    if not conversation.tools:
        messages[0] = {"role": "system", "content": conversation.system}
    names = {"user": "human", "assistant": "gpt"}
    tools = [tool_schema(tool) for tool in conversation.tools]
    return {
        "id": conversation.provenance.row_id or conversation.id,
        "conversations": [{"from": names.get(m["role"], m["role"]), "value": m["content"]} for m in messages],
        "tools": json.dumps(tools, ensure_ascii=False) if tools else "null",
        "category": conversation.category,
        "subcategory": conversation.subcategory,
        "task": conversation.task,
    }


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--stage", rows, folder]:
            print(json.dumps(measure_stage(int(rows), Path(folder))))
        case ["--plain", _, folder]:
            print(json.dumps(measure_plain(Path(folder))))
        case sizes:
            main(tuple(int(size) for size in sizes) or SIZES)
