"""The real relay as a process of a test's own, and requests to it that no HTTP client would send."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.parts import state
from stack.settings import ROOT
from stack.tools.process import spawn_daemon

TOKEN = "a-token-of-the-test"
CLOUD_TOKEN, CLOUD_KEY = "the-chats-own-token", "sk-the-clouds-own-key"
START_SECONDS = 20


@dataclass
class RelayProcess:
    """A running relay: `127.0.0.1:port` needs no token, `127.0.0.2:port` does."""

    port: int
    pid: int
    started: float
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token_file(self) -> Path:
        return self.folder / "relay-token"

    def lead_to(self, url: str | None) -> None:
        """Write down where Foundry Local is; None: nowhere."""
        file = self.folder / "foundry.json"
        if url is None:
            file.unlink(missing_ok=True)
        else:
            state.write_json(file, {"url": url, "owned": True})

    def open_cloud(
        self, url: str, *, key: str = CLOUD_KEY, token: str = CLOUD_TOKEN, ca_bundle: Path | None = None
    ) -> None:
        """Write down which cloud may be asked, as `up` does."""
        written = {"url": url, "key": key, "token": token, "ca_bundle": str(ca_bundle or "")}
        state.write_json(self.folder / "cloud.json", written)

    def close_cloud(self) -> None:
        """None may."""
        (self.folder / "cloud.json").unlink(missing_ok=True)

    def log(self) -> list[dict[str, Any]]:
        """The access log so far."""
        lines = (self.folder / "relay.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    async def logged(self, request_id: str) -> dict[str, Any]:
        """The log line of the request with this id, as soon as it is there."""
        async with asyncio.timeout(10):
            while True:
                for line in self.log():
                    if line["id"] == request_id:
                        return line
                await asyncio.sleep(0.01)

    async def send(self, raw: bytes, host: str = "127.0.0.1") -> tuple[int, dict[str, str], bytes]:
        """Send these bytes and read the answer up to the connection's end."""
        return parse(await self.send_bytes(raw, host))

    async def send_bytes(self, raw: bytes, host: str = "127.0.0.1") -> bytes:
        """The same, for more than one answer."""
        reader, writer = await asyncio.open_connection(host, self.port)
        try:
            writer.write(raw)
            async with asyncio.timeout(10):
                return await reader.read()
        finally:
            writer.close()


@contextlib.contextmanager
def running_relay(folder: Path, *options: str, port: int = 0) -> Iterator[RelayProcess]:
    """Run `python -m stack.parts.relay.server` with its files in ``folder``; on a free port where none is given."""
    port = port or free_port()
    state.write_text(folder / "relay-token", TOKEN + "\n")
    argv = [sys.executable, "-m", "stack.parts.relay.server"]
    argv += ["--listen", f"127.0.0.1:{port}", "--listen", f"127.0.0.2:{port}"]
    argv += ["--token-file", str(folder / "relay-token"), "--upstream-file", str(folder / "foundry.json")]
    argv += ["--cloud-file", str(folder / "cloud.json")]
    argv += ["--state-file", str(folder / "relay.json"), "--log-file", str(folder / "relay.log"), *options]
    pid = spawn_daemon(argv, folder / "relay.log", env={"PYTHONPATH": str(ROOT / "scripts")})
    started = state.process_started(pid)
    try:
        _wait_for(folder / "relay.json", pid, started)
        yield RelayProcess(port, pid, started, folder)
    finally:
        state.stop_process(pid, started, 5)


def free_port(also: str = "127.0.0.3") -> int:
    """A port that is free on 127.0.0.1, 127.0.0.2 and ``also`` just now."""
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
        two.bind(("127.0.0.2", port))
        if also != "127.0.0.1":
            three.bind((also, port))
        return port


def request(target: str, *headers: str, method: str = "GET", host: str | None = None, body: bytes = b"") -> bytes:
    """A request's bytes, exactly as told; ``host`` None leaves the Host header to ``headers``."""
    lines = [f"{method} {target} HTTP/1.1", *([f"Host: {host}"] if host else []), *headers, "Connection: close"]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def parse(raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower-case names) and body as sent, framing and all."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, body


def code_of(body: bytes) -> str:
    """The code in an OpenAI-shaped error of ours."""
    error = json.loads(body)["error"]
    assert error["type"] == "stack_error"
    assert error["message"]
    return str(error["code"])


def _wait_for(file: Path, pid: int, started: float) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not file.exists():
        assert state.is_alive(pid, started), (file.parent / "relay.log").read_text()
        assert time.monotonic() < deadline, "the relay does not listen"
        time.sleep(0.02)
