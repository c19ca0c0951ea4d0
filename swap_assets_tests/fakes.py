"""Small real things in place of big ones: a random Llama with a byte-level tokenizer, a chat server, a few rows."""

import json
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from swap_assets.backends.engines.generation import Answered
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.model import EvalCase, ToolCall, ToolSpec, Turn
from swap_assets.domain.tracks import TrackData, TrainingExample

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_SPECIALS = ["<|pad|>", "<|im_start|>", "<|im_end|>"]


def tiny_model(folder: Path, *, seed: int = 0, width: int = 32, layers: int = 2, template: str | None = None) -> Path:
    """Save a random Llama and its byte-level tokenizer into `folder`, as a hub model would lie there."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = byte_tokenizer(template if template is not None else CHATML)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=2 * width, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=2, pad_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def byte_tokenizer(template: str) -> Any:
    """Return a tokenizer of single bytes with a few special tokens and this chat template."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(_SPECIALS + letters)}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(token, special=True) for token in _SPECIALS])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|pad|>")
    tokenizer.chat_template = template
    return tokenizer


Reply = Callable[[dict[str, Any], int], tuple[int, dict[str, str], str]]


class ChatServer:
    """A small HTTP server in this process that answers `/chat/completions` as a function says, and remembers what came.

    `reply` gets the request's JSON and its 0-based number, and returns status, headers and body.
    """

    def __init__(self, reply: Reply) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        lock, outer = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with lock:
                    number = len(outer.requests)
                    outer.requests.append(body)
                    outer.keys.append(self.headers.get("authorization") or self.headers.get("api-key", ""))
                    outer.paths.append(self.path)
                    outer.headers.append(dict(self.headers))
                status, headers, text = reply(body, number)
                content = text.encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> "ChatServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def completion(text: str, *, finish: str = "stop", prompt_tokens: int = 10, completion_tokens: int = 5) -> str:
    """Return a chat completion as a server writes it."""
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": 15}
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": finish, "message": message}
    answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "big-2", "choices": [choice]}
    return json.dumps({**answer, "usage": usage, "system_fingerprint": "fp_1"})


WEATHER = ToolSpec(
    name="weather",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


def unanswered(answers: Answered) -> int:
    """How many cases have no answer."""
    return sum(not record.obtained for record in answers.records)


def weather_example(city: str) -> TrainingExample:
    """Return a conversation in which one call is right."""
    call = ToolCall(name="weather", arguments={"city": city})
    turns = (Turn(role="user", text=f"weather in {city}?"), Turn(role="assistant", calls=(call,)))
    return TrainingExample(id=city, conversation_id=city, tools=(WEATHER,), turns=turns, answer_format=HERMES)


def write_track(folder: Path, cities: Iterable[str], held_out: Iterable[str] = ()) -> Path:
    """Write the weather in these cities as a track's stored examples and return the file, `data.json`."""
    train, validation = (tuple(map(weather_example, part)) for part in (cities, held_out))
    (folder / "data.json").write_text(TrackData(train=train, validation=validation).model_dump_json(), encoding="utf-8")
    return folder / "data.json"


def weather_case(city: str) -> EvalCase:
    """Return the question of `weather_example`, with its gold."""
    example = weather_example(city)
    return EvalCase(
        id=city, conversation_id=city, turn=1, tools=example.tools, history=example.turns[:1],
        gold_calls=example.turns[1].calls, origin="synthetic",
    )  # fmt: skip
