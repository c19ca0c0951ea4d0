"""Runs inside the virtual environment of `bfcl-eval`: one verdict of its AST checker a line.

Reads JSON lines `{"functions", "answer", "accepted", "category"}` on stdin. The checker imports a table of every
vendor's client only to look up whether a model's API turns dots in names into underscores; a table with one plain
model stands in for it, so none of those clients has to be installed. The checker itself runs untouched.
"""

import json
import sys
import time
import types

table = types.ModuleType("bfcl_eval.constants.model_config")
table.MODEL_CONFIG_MAPPING = {"plain": types.SimpleNamespace(underscore_to_dot=False)}  # type: ignore[attr-defined]
sys.modules[table.__name__] = table

from bfcl_eval.constants.enums import Language  # type: ignore[import-not-found]  # noqa: E402
from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker  # type: ignore[import-not-found]  # noqa: E402

pairs = [json.loads(line) for line in sys.stdin]
verdicts = []
started = time.process_time()
for pair in pairs:
    try:
        found = ast_checker(
            pair["functions"], pair["answer"], pair["accepted"], Language.PYTHON, pair["category"], "plain"
        )
        verdicts.append("right" if found["valid"] else "wrong")
    except Exception as error:
        verdicts.append(f"error: {type(error).__name__}: {error}")
seconds = time.process_time() - started
for verdict in verdicts:
    print(verdict.replace("\n", " ")[:200])
print(f"seconds {seconds:.3f}")
