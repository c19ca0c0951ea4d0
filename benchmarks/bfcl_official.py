"""Runs inside the virtual environment of `bfcl-eval`: one verdict of its own code a line.

Reads JSON lines on stdin: `{"functions", "answer", "accepted", "category"}` asks the AST checker, `{"text"}` asks the
decoder of prompted models for the calls, `none` where it finds none. The checker imports a table of every vendor's
client only to look up whether a model's API turns dots in names into underscores, and the decoder two parsers of other
languages; stand-ins spare installing all of those. What judges and decodes Python runs untouched.
"""

import json
import sys
import time
import types

table = types.ModuleType("bfcl_eval.constants.model_config")
table.MODEL_CONFIG_MAPPING = {"plain": types.SimpleNamespace(underscore_to_dot=False)}  # type: ignore[attr-defined]
sys.modules[table.__name__] = table

for module, function in (("java_parser", "parse_java_function_call"), ("js_parser", "parse_javascript_function_call")):
    parser = types.ModuleType(f"bfcl_eval.model_handler.parser.{module}")
    setattr(parser, function, None)
    sys.modules[parser.__name__] = parser

from bfcl_eval.constants.enums import Language  # type: ignore[import-not-found]  # noqa: E402
from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker  # type: ignore[import-not-found]  # noqa: E402
from bfcl_eval.model_handler.utils import default_decode_ast_prompting  # type: ignore[import-not-found]  # noqa: E402
from bfcl_eval.utils import is_empty_output  # type: ignore[import-not-found]  # noqa: E402


def decoded(text: str) -> str:
    """Return the calls that the decoder finds, as JSON."""
    try:
        calls = default_decode_ast_prompting(text)
    except Exception:
        return "none"
    return "none" if is_empty_output(calls) else json.dumps(calls, sort_keys=True, default=str)


pairs = [json.loads(line) for line in sys.stdin]
verdicts = []
started = time.process_time()
for pair in pairs:
    if "text" in pair:
        verdicts.append(decoded(pair["text"]))
        continue
    try:
        found = ast_checker(
            pair["functions"], pair["answer"], pair["accepted"], Language.PYTHON, pair["category"], "plain"
        )
        verdicts.append("right" if found["valid"] else "wrong")
    except Exception as error:
        verdicts.append(f"error: {type(error).__name__}: {error}")
seconds = time.process_time() - started
for verdict in verdicts:
    print(verdict.replace("\n", " "))
print(f"seconds {seconds:.3f}")
