"""Does our BFCL rule say what the official checker says? Run as `python -m benchmarks.bfcl_agreement FOLDER`.

FOLDER holds BFCL v4's five Python categories. `bfcl-eval` goes into an environment of its own under `.swap/`, since its
pins clash with everything. Every disagreement is listed; the exit code is 1 where there is one without an explanation.
"""

import json
import subprocess
import sys
import time
import venv
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from benchmarks.bfcl_pairs import answers, cases, irrelevance, texts
from swap_assets.domain.conversations import ToolCall
from swap_assets.domain.scoring.bfcl import check_answer
from swap_assets.domain.scoring.bfcl_answers import parse_bfcl_answer
from swap_assets.domain.scoring.bfcl_scoring import score_bfcl

_PYTHON_ONLY = "the official decoder for prompted models reads Python calls only; the same call written so is a call"
EXPLAINED = {
    "decoded JSON": _PYTHON_ONLY,
    "a tagged call": _PYTHON_ONLY,
    "a plus before a number": "the official decoder takes every sign for a minus and reads +1 as -1",
}
VERSION = "2026.3.23"
NEEDED = ("filelock==3.20.0", "tenacity>=8.5")  # all that the checker and the Python decoder import
ENVIRONMENT = Path(".swap/bfcl-eval")


def official_python() -> Path:
    """Return the interpreter of an environment that holds `bfcl-eval`, making it where it is missing."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "ready").exists():
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", "--no-deps", f"bfcl-eval=={VERSION}"]
        subprocess.run([*command, *NEEDED], check=True, timeout=300)
        (ENVIRONMENT / "ready").touch()
    return python


def official_verdicts(pairs: list[dict[str, Any]]) -> tuple[list[str], float]:
    """Return the official checker's verdict on each pair, and the seconds that it took."""
    driver = Path(__file__).with_name("bfcl_official.py")
    lines = "".join(json.dumps(pair) + "\n" for pair in pairs)
    done = subprocess.run(
        [official_python(), driver], input=lines, capture_output=True, text=True, check=True, timeout=600
    )
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


def compare(folder: Path) -> int:
    """Print the agreement table and return the number of disagreements where the official checker had a verdict."""
    pairs, per_case = [], Counter()
    for case in cases(folder):
        for mutation, answer in answers(case):
            pairs.append(case | {"mutation": mutation, "answer": answer})
            per_case[case["id"]] += 1
    official, official_seconds = official_verdicts(pairs)
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
    print(f"{'category':<20}{'pairs':>8}{'right':>8}{'wrong':>8}{'error':>8}{'agree':>8}")
    for category, counts in table.items():
        row = (counts[name] for name in ("pairs", "right", "wrong", "error", "agree"))
        print(f"{category:<20}" + "".join(f"{value:>8}" for value in row))
    for pair, theirs, own in disagreements:
        print(
            f"DISAGREE {pair['id']} ({pair['mutation']}): official {theirs}, ours {own}: {json.dumps(pair['answer'])}"
        )
    for what, count in errors.most_common():
        print(f"official checker crashes, {count} times: {what}")
    print(f"official {official_seconds:.2f} s, ours {our_seconds:.2f} s, for {len(pairs)} pairs on one core")
    return len(disagreements)


def check_irrelevance(folder: Path) -> int:
    """Print the agreement on answers as texts where no call is right, and return the unexplained disagreements.

    The official verdict is wrong exactly where its decoder finds a call; where both find calls they must be the same.
    """
    rows = [(row, kind, text) for row in irrelevance(folder) for kind, text in texts(row)]
    official, _ = official_verdicts([{"text": text} for _, _, text in rows])
    disagreements: Counter[str] = Counter()
    for (row, kind, text), theirs in zip(rows, official, strict=True):
        parsed = parse_bfcl_answer(text)
        own = score_bfcl(row["id"], row["function"], [], parsed)
        calls = json.dumps([{call.name: call.arguments} for call in parsed.calls], sort_keys=True)
        disagreements[kind] += (own.exact_match == 1.0) != (theirs == "none") or (
            bool(parsed.calls) and calls != theirs
        )
    unexplained = sum(count for kind, count in disagreements.items() if kind not in EXPLAINED)
    agree = len(rows) - sum(disagreements.values())
    print(f"irrelevance: {len(rows) // len(irrelevance(folder))} texts a case, {len(rows)} in all, {agree} agree")
    for kind, count in disagreements.items():
        if count:
            print(f"  {count} disagree on '{kind}': {EXPLAINED.get(kind, 'NOT EXPLAINED')}")
    return unexplained


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python -m benchmarks.bfcl_agreement FOLDER_WITH_BFCL_V4_FILES")
    sys.exit(int(compare(Path(sys.argv[1])) + check_irrelevance(Path(sys.argv[1])) > 0))
