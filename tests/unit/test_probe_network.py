"""The look from inside a container, on real sockets, and what the probe makes of it."""

from __future__ import annotations

import pytest

from fakes.listener import HERE, listener
from stack.probes import inside
from stack.probes.inside import look
from stack.probes.way import judge

GATEWAY = b"HTTP/1.1 403 Forbidden\r\nVia: 1.1 foundry-stack-gateway\r\nContent-Length: 2\r\n\r\n{}"
STRANGER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello"


def test_the_gateway_answers() -> None:
    with listener(GATEWAY) as port:
        seen = look(f"http://{HERE}:{port}/")
    assert seen["failed_at"] is None
    assert judge(seen, ["127.0.0.1"]).cause is None


def test_somebody_else_answers_in_its_place() -> None:
    with listener(STRANGER) as port:
        seen = look(f"http://{HERE}:{port}/")
    assert judge(seen, ["127.0.0.1"]).cause == "unknown"
    assert judge(seen, ["172.18.0.2"]).cause == "host-name-wrong"


def test_nobody_listens() -> None:
    with listener(None) as port:
        pass
    seen = look(f"http://{HERE}:{port}/")
    assert seen["failed_at"] == "connect"
    assert judge(seen, ["127.0.0.1"]).cause == "connection-refused"
    assert judge(seen, ["172.18.0.2"]).cause == "host-name-wrong"


def test_it_listens_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "ANSWER_SECONDS", 0.2)
    with listener(None) as port:
        seen = look(f"http://{HERE}:{port}/")
    assert (seen["failed_at"], seen["timed_out"]) == ("answer", True)
    assert judge(seen, []).cause == "gateway-down"


def test_the_name_does_not_resolve() -> None:
    seen = look("http://no-such-name.invalid:51211/")
    assert judge(seen, []).cause == "host-name-missing"


def test_no_way_there_is_told_from_refused() -> None:
    seen = {"failed_at": "connect", "error": "TimeoutError: timed out", "addresses": ["10.0.0.1"]}
    assert judge(seen, ["10.0.0.1"]).cause == "route-blocked"
