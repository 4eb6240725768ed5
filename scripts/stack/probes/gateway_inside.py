"""A look at the gateway from inside its own container, with what is there: bash, which can open a connection.

What is seen has the same form as that of `inside.look`, so it is judged alike.
"""

from __future__ import annotations

import re
from email.message import Message
from email.parser import HeaderParser
from typing import Any

CONNECT_SECONDS = 8  # with the start of two processes, which alone can take 3 s on a crowded machine
ANSWER_SECONDS = 8  # longer than nginx takes to find out that nobody is behind it

_CONNECTED = "-- connected"
_TIMED_OUT = 124  # says timeout(1)

# HTTP/1.0: the answer ends with the connection, and comes in one piece.
_KNOCK = 'exec 3<>"/dev/tcp/$1/$2"'
_ASK = f"""timeout {CONNECT_SECONDS} bash -c '{_KNOCK}' knock "$1" "$2" || exit
{_KNOCK}
echo '{_CONNECTED}'
printf 'GET %s HTTP/1.0\\r\\nHost: %s:%s\\r\\n\\r\\n' "$3" "$1" "$2" >&3
timeout {ANSWER_SECONDS} head -c 4096 <&3 || exit
"""


def command_to_knock(host: str, port: int) -> list[str]:
    """Connects, and leaves."""
    return ["timeout", str(CONNECT_SECONDS), "bash", "-c", _KNOCK, "knock", host, str(port)]


def read_knock(code: int, printed: str) -> str:
    """How the connection turned out: open, refused, no-name or silent."""
    if code == 0:
        return "open"
    if code == _TIMED_OUT:
        return "silent"
    return "refused" if "refused" in printed else "no-name" if "not known" in printed else "silent"


def command_to_ask(host: str, port: int, path: str) -> list[str]:
    """Connects and asks."""
    seconds = CONNECT_SECONDS + ANSWER_SECONDS + 1
    return ["timeout", str(seconds), "bash", "-c", _ASK, "ask", host, str(port), path]


def read_answer(host: str, code: int, printed: str) -> dict[str, Any]:
    """What was seen, in the form of `inside.look`."""
    seen: dict[str, Any] = {"failed_at": None, "error": None, "addresses": [host]}
    before, connected, answer = printed.partition(f"{_CONNECTED}\n")
    if not connected:
        knock = read_knock(code, before)
        error = {"refused": "connection refused", "no-name": "the name does not resolve"}.get(knock, "no answer")
        return seen | {"failed_at": "name" if knock == "no-name" else "connect", "error": error}
    head, body = (*re.split(r"\r?\n\r?\n", answer, maxsplit=1), "")[:2]
    status_line, _, fields = head.partition("\n")
    version, _, rest = status_line.partition(" ")
    if not version.startswith("HTTP/") or not rest[:3].isdecimal():
        timed_out = code == _TIMED_OUT
        error = f"no answer within {ANSWER_SECONDS} s" if timed_out else f"no HTTP answer: {answer[:80]!r}"
        return seen | {"failed_at": "answer", "error": error, "timed_out": timed_out}
    headers: Message = HeaderParser().parsestr(fields)
    return seen | {
        "status": int(rest[:3]),
        "via": ", ".join(headers.get_all("Via", [])),
        "type": headers.get("Content-Type", ""),
        "body": body,
    }
