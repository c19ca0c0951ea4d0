"""Stand-ins for `benchmarks.real_size`: a tokenizer of true lengths, small random models, servers that know the gold.

Answers come from a file of gold answers and are right for a share of the rows that the caller names, so that gates open
as they would for models of that quality; prompts, token counts, limits, training and merging are the project's own.
`python -m benchmarks.real_size_stand_ins serve MODEL --port N --served-model-name NAME` speaks as vLLM's server does.
"""

import contextlib
import hashlib
import itertools
import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.training_rows import CHATML
from swap_assets.domain.formats.base import AnswerFormat, PromptStyle, answer_formats
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.model import Conversation, ToolCall

ANSWERS = "answers.json"  # beside the models' folders
_SPECIALS = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
_VOCABULARY = 2500  # 4.4 characters a token on the rows made; Llama 3.1, Qwen3, Gemma 3 and Phi-4-mini take 4.2 to 4.5
_POSITIONS = 16_384
_MESSAGE = re.compile(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>", re.DOTALL)
_RIGHT = {"hosted": 0.90, "base": 0.20, "tuned": 0.93}


def make_models(folder: Path, texts: Sequence[str], names: Iterable[str]) -> float:
    """Save a random model of one layer under each name, with one tokenizer; return its characters a token."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer, count = _tokenizer(texts)
    for seed, name in enumerate(names):
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
            num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=_POSITIONS,
            tie_word_embeddings=True, bos_token_id=None, eos_token_id=2, pad_token_id=0,
        )  # fmt: skip
        LlamaForCausalLM(config).save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return sum(map(len, texts)) / count


def _tokenizer(texts: Sequence[str]) -> tuple[Any, int]:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY, special_tokens=_SPECIALS, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    inner.train_from_iterator(texts, trainer)
    found = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|pad|>")
    found.chat_template = CHATML
    return found, sum(len(each.ids) for each in inner.encode_batch_fast(list(texts)))


def write_answers(folder: Path, rows: Iterable[Conversation]) -> None:
    """Keep the gold of every assistant turn by its request and place."""
    known: dict[str, Any] = {}
    for row in rows:
        request = next(turn.text for turn in row.turns if turn.role == "user")
        for place, index in enumerate(row.assistant_turns()):
            turn = row.turns[index]
            known.setdefault(_key(request, place), {"calls": [call.model_dump() for call in turn.calls]})
            known[_key(request, place)].setdefault("text", turn.text)
    (folder / ANSWERS).write_text(json.dumps(known), encoding="utf-8")


def _key(request: str, place: int) -> str:
    return hashlib.sha256(f"{place} {request.strip()}".encode()).hexdigest()[:20]


class Answers:
    """What a stand-in says to the messages that it is sent."""

    def __init__(self, file: Path) -> None:
        self._known = json.loads(file.read_text(encoding="utf-8"))

    def to(self, messages: Sequence[tuple[str, str]], part: str) -> str:
        """Return the gold answer in the format that the system message asks for, or now and then a wrong one."""
        request = next(text for role, text in messages if role == "user")
        key = _key(request, sum(role == "assistant" for role, _ in messages))
        if key not in self._known:
            return "I do not know that request."
        gold, written = self._known[key], _format_of(messages[0][1])
        calls = tuple(ToolCall.model_validate(call) for call in gold["calls"])
        draw = int(hashlib.sha256(f"{part} {key}".encode()).hexdigest()[:8], 16) / 16**8
        if draw >= _RIGHT[part]:
            calls = tuple(ToolCall(name=call.name, arguments={"wrong": part}) for call in calls[:1])
            return written.write(calls, "" if calls else "I cannot help with that, and this is not what was asked for.")
        return written.write(calls, gold["text"])


def _format_of(system: str) -> AnswerFormat:
    styles = (PromptStyle.HERMES, PromptStyle.COMPACT)
    found = (each for each in answer_formats().values() if any(system.endswith(each.instructions[s]) for s in styles))
    return next(found, HERMES)


class _Server(BaseHTTPRequestHandler):
    """Answers a POST with what `reply` returns for its path and body, and a GET with what it returns for None."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(None)

    def do_POST(self) -> None:
        self._send(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _send(self, body: Any) -> None:
        found = self.reply(self.path, body)
        content = (found if isinstance(found, str) else json.dumps(found)).encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain" if isinstance(found, str) else "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # who asked was killed
            self.wfile.write(content)

    def reply(self, path: str, body: Any) -> Any:
        raise NotImplementedError

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hosted_model(models: Path, *, asked: Counter[str] | None = None, delay_s: float = 0.0) -> Iterator[str]:
    """Serve the hosted model while the block runs, and yield its address; the models' tokenizer counts.

    `asked` counts each request by its messages; an answer comes after `delay_s` seconds.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(next(models.glob("*/tokenizer.json"))))
    answers = Answers(models / ANSWERS)

    class Hosted(_Server):
        def reply(self, path: str, body: Any) -> Any:
            messages = [(each["role"], each["content"]) for each in body["messages"]]
            if asked is not None:
                asked[json.dumps(messages)] += 1
            time.sleep(delay_s)
            said = answers.to(messages, "hosted")
            read, told = (len(tokenizer.encode(text).ids) for text in ("\n".join(text for _, text in messages), said))
            usage = {"prompt_tokens": read, "completion_tokens": told, "total_tokens": read + told}
            message = {"role": "assistant", "content": said}
            return {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o-stand-in", "usage": usage,
                    "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}  # fmt: skip

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hosted)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def vllm_server(model: Path, *, name: str, port: int) -> ThreadingHTTPServer:
    """Return a server that speaks as vLLM does for a model; adapters and merged models are the tuned ones."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    merged = not (model.parent / ANSWERS).is_file()
    file = next(each / "models" / ANSWERS for each in model.parents if (each / "models" / ANSWERS).is_file())
    answers, served = Answers(file), [name]

    class Vllm(_Server):
        def reply(self, path: str, body: Any) -> Any:
            match path:
                case "/health":
                    return ""
                case "/version":
                    return {"version": "stand-in"}
                case "/v1/models":
                    return {"object": "list", "data": [{"id": each, "object": "model"} for each in served]}
                case "/v1/load_lora_adapter":
                    served.append(body["lora_name"])
                    return "Success"
                case "/v1/unload_lora_adapter":
                    served.remove(body["lora_name"])
                    return "Success"
            return self._completion(body)

        def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
            text = tokenizer.decode(body["prompt"], skip_special_tokens=False)
            part = "tuned" if merged or body["model"] != name else "base"
            said = tokenizer.encode(answers.to(_MESSAGE.findall(text), part)).ids
            tokens = [*said[: body["max_tokens"] - 1], body["stop_token_ids"][0]]
            usage = {"prompt_tokens": len(body["prompt"]), "completion_tokens": len(tokens), "total_tokens": 0}
            choice = {"index": 0, "text": tokenizer.decode(said), "token_ids": tokens, "finish_reason": "stop"}
            return {"id": "1", "object": "text_completion", "created": 1, "model": body["model"], "choices": [choice],
                    "usage": usage}  # fmt: skip

    return ThreadingHTTPServer(("127.0.0.1", port), Vllm)


if __name__ == "__main__":
    given = dict(itertools.pairwise(sys.argv[1:]))
    vllm_server(Path(given["serve"]), name=given["--served-model-name"], port=int(given["--port"])).serve_forever()
