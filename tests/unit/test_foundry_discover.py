"""Whom discovery takes for a Foundry Local of the user's, by how it answers and where it listens."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stack.parts.foundry.discover import at_address, find, search
from stack.parts.foundry.native import missing_library
from stack.settings import PORTS, Settings
from stack.tools.errors import StackError

STATUS = {"endpoints": ["http://127.0.0.1:1"], "modelCachePath": "/nowhere", "pid": 999_999_999}
Serve = Callable[..., int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[ThreadingHTTPServer] = []

    def start(body: object, *, address: str = "127.0.0.1", via: str = "") -> int:
        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                if via:
                    self.send_header("Via", via)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class calls it so)
                pass

        server = ThreadingHTTPServer((address, 0), Answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def first_at(port: int) -> str | None:
    """The address of what discovery finds at that port, which it looks at first."""
    found = next(search(port), None)
    return found.url if found and found.url.endswith(f":{port}") else None


def test_a_foundry_at_the_well_known_port_is_found(serve: Serve) -> None:
    port = serve(STATUS)

    assert first_at(port) == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("body", [{}, [], {"endpoints": []}, {**STATUS, "pid": "12"}, {**STATUS, "endpoints": None}])
def test_another_program_that_answers_200_is_not(serve: Serve, body: object) -> None:
    assert first_at(serve(body)) is None


def test_the_stacks_own_relay_is_not(serve: Serve) -> None:
    port = serve(STATUS, via="1.1 foundry-stack-relay")

    assert first_at(port) is None
    with pytest.raises(StackError) as refused:
        at_address(f"http://127.0.0.1:{port}")
    assert refused.value.cause == "foundry-url-unreachable"
    assert "relay" in refused.value.message


@pytest.mark.parametrize("knob", PORTS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_address_of_the_stacks_own_is_told(serve: Serve, knob: str, host: str) -> None:
    own, users = serve({"hello": "page"}), serve({"hello": "world"})
    for port, told in ((own, True), (users, False)):
        with pytest.raises(StackError) as refused:
            find(Settings(foundry_url=f"http://{host}:{port}", **{knob: own}))
        assert refused.value.cause == "foundry-url-unreachable"
        assert (knob.upper() in refused.value.message) is told


def test_a_foundry_of_the_users_may_have_the_stacks_port(serve: Serve) -> None:
    port = serve(STATUS)
    found = find(Settings(foundry_url=f"http://127.0.0.1:{port}", foundry_port=port))

    assert found is not None
    assert found.port == port


def test_listening_on_every_address_is_told(serve: Serve) -> None:
    everywhere = serve(STATUS, address="0.0.0.0")  # noqa: S104  (the very mistake)
    found = next(search(everywhere))

    assert found.warning is not None
    assert "all addresses" in found.warning
    assert next(search(serve(STATUS))).warning is None


def test_the_addresses_that_a_named_one_was_told_to_listen_on_count_too(serve: Serve) -> None:
    port = serve({**STATUS, "endpoints": ["http://0.0.0.0:51211"]})

    assert at_address(f"http://127.0.0.1:{port}").open_to_network


def test_an_address_where_nothing_answers_is_an_error(serve: Serve) -> None:
    for port in (serve({"hello": "world"}), 52299):
        with pytest.raises(StackError) as refused:
            at_address(f"http://127.0.0.1:{port}")
        assert refused.value.cause == "foundry-url-unreachable"


def test_a_proxy_in_the_environment_is_not_used_for_loopback(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert first_at(serve(STATUS)) is not None


def test_a_missing_system_library_is_named_with_its_package() -> None:
    words = "OSError: libatomic.so.1: cannot open shared object file: No such file or directory"
    problem = missing_library(f"Traceback (most recent call last):\n{words}\n")

    assert problem is not None
    assert problem.fix == "sudo apt-get install libatomic1"
    assert missing_library("all is well") is None
