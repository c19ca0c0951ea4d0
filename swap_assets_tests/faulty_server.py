"""A chat server on loopback that fails in every way that real ones do, decided by a seeded draw for each attempt.

Run as a process of its own: `python -m swap_assets_tests.faulty_server LOG FAULTS DELAY` prints its port. LOG gets one
line for each request whose answer was sent whole, so that whoever was killed cannot have a say in what was asked, and
one for the tokens that it charges: its own count, or the estimate where it says nothing that can be read.
"""

import asyncio
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Any

from swap_assets.backends.hosted.asking import Asking
from swap_assets.backends.hosted.messages import read_reply
from swap_assets_tests.fakes import completion

ANSWER = '<tool_call>\n{"name": "weather", "arguments": {"city": "CITY"}}\n</tool_call>'
FAULTS = (
    "429", "429 date", "429 ms", "500", "503", "408", "409", "hang", "reset", "reset in the body", "broken json",
    "no choice",
)  # fmt: skip
# Hangs are rare here, since each costs the whole time-out.
DRAWN = [fault for fault in FAULTS for _ in range(1 if fault == "hang" else 6)]
OUTCOMES = ("content filter", "refusal")
USAGE = {"prompt_tokens": 10, "completion_tokens": 5}
UNREADABLE: tuple[Any, ...] = (
    None, {}, "many", 7, [], {"prompt_tokens": "10", "completion_tokens": "5"}, {"prompt_tokens": -10_000,
    "completion_tokens": 5}, {"prompt_tokens": 10, "completion_tokens": None}, {"prompt_tokens": {"a": [1]},
    "completion_tokens": 5}, {"prompt_tokens": 10**30, "completion_tokens": 5}, {"prompt_tokens": True,
    "completion_tokens": 5}, {"prompt_tokens": 1.5, "completion_tokens": 5}, {"completion_tokens": 5},
)  # fmt: skip


def with_usage(answer: str, usage: Any) -> str:
    """Return a completion that says it took something else."""
    return json.dumps(json.loads(answer) | {"usage": usage})


def estimate(body: dict[str, Any], answer: str) -> int:
    """Return the tokens that an answer is charged whose usage cannot be read."""
    asked = {name: value for name, value in body.items() if name != "stream"}  # which the client adds
    found = Asking.estimate(None, asked, read_reply(answer.encode()))  # type: ignore[arg-type]
    return found.prompt_tokens + found.completion_tokens


class FaultyServer:
    """The server as a process, for as long as the block runs."""

    def __init__(self, log: Path, *, faults: float, delay_s: float = 0.0) -> None:
        self._command = [sys.executable, "-m", "swap_assets_tests.faulty_server", str(log), str(faults), str(delay_s)]
        self._log = log

    def __enter__(self) -> "FaultyServer":
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.base_url = f"http://127.0.0.1:{int(self._process.stdout.readline())}/v1"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(timeout=10)

    def lines(self) -> list[list[str]]:
        """Return what was logged: `["came" or "sent", city, what was done]`."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]

    def sent(self) -> list[str]:
        """Return the cities that were answered, in order; one that was answered twice stands there twice."""
        return [city for what, city, _ in self.lines() if what == "sent"]

    def charged(self) -> int:
        """Return the tokens that the server has charged by its own count."""
        return sum(int(tokens) for what, _, tokens in self.lines() if what == "charged")


class _Server:
    def __init__(self, log: Path, faults: float, delay_s: float) -> None:
        self._log = log.open("a", encoding="utf-8")
        self._faults, self._delay_s = faults, delay_s
        self._seen: dict[str, int] = {}

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = int(re.search(r"content-length: (\d+)", head, re.IGNORECASE).group(1))  # type: ignore[union-attr]
        body = json.loads(await reader.readexactly(length))
        city = re.search(r"weather in (.+)\?", body["messages"][-1]["content"]).group(1)  # type: ignore[union-attr]
        attempt = self._seen[city] = self._seen.get(city, 0) + 1
        draw = random.Random(f"{city} {attempt}")
        fault = draw.choice(DRAWN) if draw.random() < self._faults else ""
        # An outcome that is no fault is the same at every attempt.
        outcome = random.Random(city).choice([*OUTCOMES, *["answer"] * 18])
        self._write("came", city, fault or outcome)
        await asyncio.sleep(self._delay_s)
        if fault:
            if fault == "no choice":
                self._write("charged", city, str(sum(USAGE.values())))
            return await self._fail(fault, writer)
        text = ANSWER.replace("CITY", city)
        if outcome == "content filter":
            self._respond(writer, 400, json.dumps({"error": {"code": "content_filter", "message": "filtered"}}))
        else:
            said = completion("I cannot help with that.") if outcome == "refusal" else completion(text)
            odd = random.Random(f"usage {city}")
            usage = odd.choice(UNREADABLE) if odd.random() < 0.3 else USAGE
            self._write("charged", city, str(15 if usage == USAGE else estimate(body, with_usage(said, None))))
            self._respond(writer, 200, with_usage(said, usage))
        self._write("sent", city, outcome)
        await writer.drain()
        return True

    async def _fail(self, fault: str, writer: asyncio.StreamWriter) -> bool:
        headers = {
            "429": {"retry-after": "0"}, "429 ms": {"retry-after-ms": "5"},
            "429 date": {"retry-after": formatdate(time.time(), usegmt=True)},
        }  # fmt: skip
        if fault[:3].isdigit():
            self._respond(writer, int(fault[:3]), '{"error": {"message": "later"}}', headers.get(fault, {}))
        elif fault == "hang":
            await asyncio.sleep(30)
            return False
        elif fault == "reset":
            _reset(writer)
            return False
        elif fault == "reset in the body":
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"choices":')
            await writer.drain()
            _reset(writer)
            return False
        else:
            none = json.dumps({"choices": [], "usage": USAGE})
            self._respond(writer, 200, '{"choices": [' if fault == "broken json" else none)
        await writer.drain()
        return True

    def _write(self, what: str, city: str, done: str) -> None:
        self._log.write(json.dumps([what, city, done]) + "\n")
        self._log.flush()

    @staticmethod
    def _respond(writer: asyncio.StreamWriter, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        content = body.encode()
        fields = {"content-type": "application/json", "content-length": str(len(content)), **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + content)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection off with a reset instead of an orderly end."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


async def _serve(log: Path, faults: float, delay_s: float) -> None:
    served = _Server(log, faults, delay_s)
    server = await asyncio.start_server(served.handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    threading.Timer(300, lambda: __import__("os")._exit(3)).start()  # nobody is left waiting for a forgotten server
    asyncio.run(_serve(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
