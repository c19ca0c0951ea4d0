"""Does our BFCL rule say what the official checker says? Run as `python -m benchmarks.bfcl_agreement [FOLDER]`.

FOLDER holds BFCL v4's five Python categories; by default they are those that `bfcl-eval` brings along. That package
goes into an environment of its own for as long as this runs, since its pins clash with everything. Every disagreement
is listed; the exit code is 1 where there is one without an explanation.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.bfcl_pairs import answers, cases, texts, without_gold
from swap_assets.domain.model import EvalCase, ToolCall
from swap_assets.domain.scoring.bfcl import check_answer, is_relevance, score_bfcl, score_relevance
from swap_assets.domain.scoring.bfcl_answers import parse_bfcl_answer

_PYTHON_ONLY = "the official decoder for prompted models reads Python calls only; the same call written so is a call"
EXPLAINED = {
    "decoded JSON": _PYTHON_ONLY,
    "a tagged call": _PYTHON_ONLY,
    "a plus before a number": "the official decoder takes every sign for a minus and reads +1 as -1",
}
VERSION = "2026.3.23"
NEEDED = ("filelock==3.20.0", "tenacity>=8.5")  # all that the checker and the Python decoder import


class NoCheckerError(RuntimeError):
    """The official checker cannot be installed; the message is one sentence."""


@contextlib.contextmanager
def official_python() -> Iterator[Path]:
    """Make an environment with `bfcl-eval` in it, yield its interpreter, and remove it.

    Raises:
        NoCheckerError: pip could not install it.
    """
    with tempfile.TemporaryDirectory(prefix="bench-bfcl-") as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        command = [python, "-m", "pip", "install", "--quiet", "--no-deps", f"bfcl-eval=={VERSION}", *NEEDED]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise NoCheckerError(
                f"bfcl-eval {VERSION} could not be installed by pip ({last}); it needs a package index"
            )
        yield python


def official_data(python: Path) -> Path:
    """Return the folder of the data that `bfcl-eval` brings along, in the environment of an interpreter."""
    return next(python.parent.parent.glob("lib/python*/site-packages/bfcl_eval/data"))


def official_verdicts(pairs: list[dict[str, Any]], python: Path) -> tuple[list[str], float]:
    """Return the official checker's verdict on each pair, and the seconds that it took."""
    driver = Path(__file__).with_name("bfcl_official.py")
    lines = "".join(json.dumps(pair) + "\n" for pair in pairs)
    done = subprocess.run([python, driver], input=lines, capture_output=True, text=True, check=True, timeout=600)
    *verdicts, seconds = done.stdout.splitlines()
    return verdicts, float(seconds.split()[1])


def our_verdicts(pairs: list[dict[str, Any]]) -> tuple[list[str], float]:
    """Return our verdict on each pair, and the seconds that it took."""
    calls = [[ToolCall(name=n, arguments=a) for call in pair["answer"] for n, a in call.items()] for pair in pairs]
    started = time.process_time()
    verdicts = [
        "right" if check_answer(pair["functions"], pair["accepted"], answer).valid else "wrong"
        for pair, answer in zip(pairs, calls, strict=True)
    ]
    return verdicts, time.process_time() - started


def compare(folder: Path, python: Path) -> int:
    """Print the agreement table and return the number of disagreements where the official checker had a verdict."""
    pairs, per_case = [], Counter()
    for case in cases(folder):
        for mutation, answer in answers(case):
            pairs.append(case | {"mutation": mutation, "answer": answer})
            per_case[case["id"]] += 1
    official, official_seconds = official_verdicts(pairs, python)
    ours, our_seconds = our_verdicts(pairs)
    table: dict[str, Counter[str]] = defaultdict(Counter)
    disagreements, errors = [], Counter()
    for pair, theirs, own in zip(pairs, official, ours, strict=True):
        counts = table[pair["category"]]
        counts["pairs"] += 1
        counts[theirs.split(":")[0]] += 1
        if theirs.startswith("error"):
            errors[f"{theirs} (ours: {own}; {pair['mutation']})"] += 1
        elif theirs == own:
            counts["agree"] += 1
        else:
            disagreements.append((pair, theirs, own))
    print(
        f"{len(per_case)} cases with gold, {min(per_case.values()) - 1} to {max(per_case.values()) - 1} mutations each"
    )
    print(f"{'category':<24}{'pairs':>8}{'right':>8}{'wrong':>8}{'error':>8}{'agree':>8}")
    for category, counts in table.items():
        row = (counts[name] for name in ("pairs", "right", "wrong", "error", "agree"))
        print(f"{category:<24}" + "".join(f"{value:>8}" for value in row))
    for pair, theirs, own in disagreements:
        print(
            f"DISAGREE {pair['id']} ({pair['mutation']}): official {theirs}, ours {own}: {json.dumps(pair['answer'])}"
        )
    for what, count in errors.most_common():
        print(f"official checker crashes, {count} times: {what}")
    print(f"official {official_seconds:.2f} s, ours {our_seconds:.2f} s, for {len(pairs)} pairs on one core")
    return len(disagreements)


def check_without_gold(folder: Path, python: Path) -> int:
    """Print the agreement on answers as texts where no call is right, or any is; return the unexplained disagreements.

    Whether the official decoder finds a call is the official verdict; where both find calls they must be the same.
    """
    asked = without_gold(folder)
    rows = [(row, kind, text) for row in asked for kind, text in texts(row)]
    official, _ = official_verdicts([{"text": text} for _, _, text in rows], python)
    disagreements: Counter[str] = Counter()
    for (row, kind, text), theirs in zip(rows, official, strict=True):
        parsed = parse_bfcl_answer(text)
        case = EvalCase(
            id=row["id"], conversation_id=row["id"], turn=0, tools=(), history=(), gold_calls=(), origin="real"
        )
        wanted = is_relevance(row["id"])
        own = (
            score_relevance(case, row["function"], parsed) if wanted else score_bfcl(case, row["function"], [], parsed)
        )
        calls = json.dumps([{call.name: call.arguments} for call in parsed.calls], sort_keys=True)
        disagreements[kind] += (own.exact_match == 1.0) != ((theirs == "none") != wanted) or (
            bool(parsed.calls) and calls != theirs
        )
    unexplained = sum(count for kind, count in disagreements.items() if kind not in EXPLAINED)
    agree = len(rows) - sum(disagreements.values())
    some = sum(is_relevance(row["id"]) for row in asked)
    counted = f"no call is right in {len(asked) - some} cases, any in {some}"
    print(f"{counted}: {len(rows) // len(asked)} texts a case, {len(rows)} in all, {agree} agree")
    for kind, count in disagreements.items():
        if count:
            print(f"  {count} disagree on '{kind}': {EXPLAINED.get(kind, 'NOT EXPLAINED')}")
    return unexplained


def disagreements(folder: Path | None = None) -> int:
    """Print both tables and return the number of unexplained disagreements.

    Args:
        folder: BFCL v4's files; None takes those of the official package.

    Raises:
        NoCheckerError: the official checker cannot be installed.
    """
    with official_python() as python:
        data = folder or official_data(python)
        return compare(data, python) + check_without_gold(data, python)


if __name__ == "__main__":
    sys.exit(int(disagreements(Path(sys.argv[1]) if len(sys.argv) > 1 else None) > 0))
