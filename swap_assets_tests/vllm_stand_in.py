"""Speaks as vLLM's server does, with transformers computing: `python -m swap_assets_tests.vllm_stand_in serve MODEL`.

Written from vLLM's protocol (`CompletionRequest`, `/v1/load_lora_adapter`), not from its code; it takes prompts as
tokens and gives tokens back. `asked` are the bodies that came, `paths` the order of what was called.
"""

import itertools
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from swap_assets.backends.processes.specs import Weights


class VllmStandIn:
    """One base and the adapters that are loaded into it; `lora` is whether it may load any while it runs."""

    def __init__(self, weights: Weights, *, base: str, port: int = 0, lora: bool = True, rank: int = 16, key: str = ""):
        from swap_assets.backends.models.local_model import limit_threads, load_tokenizer

        limit_threads(1)
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.fail_after: int | None = None
        self._weights, self._tokenizer = weights, load_tokenizer(weights)
        self._models = {base: self._load(None)}
        self._lora, self._rank, self._key = lora, rank, key
        self._lock, outer = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.handle(self, None)

            def do_POST(self) -> None:
                outer.handle(self, json.loads(self.rfile.read(int(self.headers["content-length"]))))

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.base_url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self) -> "VllmStandIn":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def served(self) -> list[str]:
        return list(self._models)

    def handle(self, request: BaseHTTPRequestHandler, body: Any) -> None:
        with self._lock:
            self.paths.append(request.path)
            if (
                request.path.startswith("/v1")
                and self._key
                and request.headers["authorization"] != f"Bearer {self._key}"
            ):
                status, answer = 401, {"error": "Unauthorized"}
            else:
                status, answer = self._answered(request.path, body)
        content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        request.send_response(status)
        request.send_header("content-type", "text/plain" if isinstance(answer, str) else "application/json")
        request.send_header("content-length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _answered(self, path: str, body: Any) -> tuple[int, Any]:
        match path:
            case "/health":
                return 200, ""
            case "/version":
                return 200, {"version": "0.0.0"}
            case "/v1/models":
                return 200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self._models]}
            case "/v1/load_lora_adapter" if self._lora:
                return self._load_adapter(body["lora_name"], Path(body["lora_path"]))
            case "/v1/unload_lora_adapter" if self._lora:
                del self._models[body["lora_name"]]
                return 200, "Success"
            case "/v1/completions":
                return self._completion(body)
        return 404, {"detail": "Not Found"}

    def _load_adapter(self, name: str, folder: Path) -> tuple[int, Any]:
        if name in self._models:
            return 400, {"error": {"message": f"The lora adapter '{name}' has already been loaded."}}
        if not folder.is_dir():
            return 404, {"error": {"message": f"No adapter found for {folder}"}}
        if json.loads((folder / "adapter_config.json").read_text())["r"] > self._rank:
            return 400, {"error": {"message": f"LoRA rank is greater than max_lora_rank {self._rank}."}}
        self._models[name] = self._load(folder)
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def _load(self, adapter: Path | None) -> Any:
        from swap_assets.backends.models.local_model import load_adapted

        return load_adapted(self._weights, adapter)

    def _completion(self, body: dict[str, Any]) -> tuple[int, Any]:
        import torch

        self.asked.append(body)
        if self.fail_after is not None and len(self.asked) > self.fail_after:
            return 400, {"error": {"message": "the engine is dead"}}
        if body["model"] not in self._models:
            return 404, {"error": {"message": f"The model `{body['model']}` does not exist."}}
        prompt = torch.tensor([body["prompt"]])
        with torch.inference_mode():
            found = self._models[body["model"]].generate(
                prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=body["max_tokens"],
                eos_token_id=body["stop_token_ids"],
            )[0, prompt.shape[1] :].tolist()  # fmt: skip
        ended = found[-1] in body["stop_token_ids"]
        choice = {
            "index": 0,
            "text": self._tokenizer.decode(found, skip_special_tokens=True),
            "token_ids": found,
            "finish_reason": "stop" if ended else "length",
        }
        usage = {"prompt_tokens": len(body["prompt"]), "completion_tokens": len(found), "total_tokens": 0}
        return 200, {"id": "1", "object": "text_completion", "created": 1, "model": body["model"], "choices": [choice],
                     "usage": usage}  # fmt: skip


def main(arguments: list[str]) -> None:
    """Serve as `vllm serve MODEL --port N --served-model-name NAME [--enable-lora --max-lora-rank N]`."""
    options = dict(itertools.pairwise(arguments))
    assert arguments[0] == "serve" and options["--generation-config"] == "vllm"
    print("started with", *arguments, flush=True)
    weights = Weights(source=arguments[1], dtype=options["--dtype"])  # type: ignore[arg-type]
    VllmStandIn(
        weights, base=options["--served-model-name"], port=int(options["--port"]),
        lora="--enable-lora" in arguments, rank=int(options.get("--max-lora-rank", 0)),
    ).server.serve_forever()  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
