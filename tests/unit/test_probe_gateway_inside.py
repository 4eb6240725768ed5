"""The gateway's look at itself, by real bash on real sockets, and what the probe makes of it."""

from __future__ import annotations

import pytest

from fakes.listener import HERE, listener
from stack.probes import gateway_inside
from stack.probes.gateway_inside import command_to_ask, command_to_knock, read_answer, read_knock
from stack.probes.way import judge
from stack.tools.process import run

ASKED = b"GET /status HTTP/1.0\r\n"
GATEWAY = (
    b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nVia: 1.1 foundry-stack-relay\r\n"
    b'Via: 1.1 foundry-stack-gateway\r\n\r\n{"error":\r\n\r\n{}}'
)


def ask(port: int, host: str = HERE) -> dict[str, object]:
    done = run(command_to_ask(host, port, "/status"))
    return read_answer(host, done.code, done.out + done.err)


def test_an_answer_is_read_whole() -> None:
    with listener(GATEWAY, to=ASKED) as port:
        seen = ask(port)
    assert seen["failed_at"] is None
    assert (seen["status"], seen["type"]) == (401, "application/json")
    assert str(seen["body"]).splitlines() == ['{"error":', "", "{}}"]
    assert seen["via"] == "1.1 foundry-stack-relay, 1.1 foundry-stack-gateway"
    assert judge(seen, [HERE]).cause is None


def test_nobody_listens() -> None:
    with listener(None) as port:
        pass
    assert judge(ask(port), [HERE]).cause == "connection-refused"
    done = run(command_to_knock(HERE, port))
    assert read_knock(done.code, done.out + done.err) == "refused"


def test_it_listens_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = f"timeout {gateway_inside.ANSWER_SECONDS} head"
    assert limit in gateway_inside._ASK
    monkeypatch.setattr(gateway_inside, "_ASK", gateway_inside._ASK.replace(limit, "timeout 0.2 head"))
    with listener(None) as port:
        seen = ask(port)
        done = run(command_to_knock(HERE, port))
    assert (seen["failed_at"], seen["timed_out"]) == ("answer", True)
    assert judge(seen, [HERE]).cause == "gateway-down"
    assert read_knock(done.code, done.out + done.err) == "open"


@pytest.mark.parametrize("answer", [b"", b"220 mail.example ESMTP\r\n"])
def test_it_speaks_no_http(answer: bytes) -> None:
    with listener(answer, to=ASKED) as port:
        seen = ask(port)
    assert (seen["failed_at"], seen["timed_out"]) == ("answer", False)


def test_the_name_does_not_resolve() -> None:
    seen = ask(51211, "no-such-name.invalid")
    assert seen["failed_at"] == "name"
    assert judge(seen, []).cause == "host-name-missing"


def test_packets_that_are_dropped_are_no_refusal() -> None:
    assert read_knock(124, "") == "silent"
    assert judge(read_answer("10.0.0.1", 124, ""), ["10.0.0.1"]).cause == "route-blocked"
