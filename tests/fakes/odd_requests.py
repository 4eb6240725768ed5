"""A grammar of HTTP requests: proper, improper, and proper with a few bytes changed. One seed, one list."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FORBIDDEN = (
    "POST /shutdown",
    "GET /shutdown",
    "GET /models/load/x",
    "GET /models/unload/x",
    "POST /models/unload/x",
    "GET /v1/responses",
    "GET /v1/responses/resp_1",
    "GET /v1/responses/resp_1/input_items",
    "GET /openai/status",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
ODD_METHODS = ("get", "", "PRI", "M-SEARCH", "\0GET", "G\tET", "GET\r\n", "X" * 300, "PROPFIND", "é")
UPS = ("/../", "/%2e%2e/", "/..;/", "/.%2e/", "/%252e%252e/", "\\..\\", "/..%2f", "/..%5c", "/..%00/", "/./", "//")
TAILS = (
    "?",
    "?a=/shutdown",
    "?%00",
    "#x",
    ";a=b",
    "%00",
    "%20",
    "%0d%0aX-A: b",
    "/",
    "/.",
    "/..",
    "%",
    "%zz",
    "é",
    "\x7f",
)
VERSIONS = (
    "HTTP/1.0",
    "HTTP/0.9",
    "HTTP/2.0",
    "HTTP/1.2",
    "http/1.1",
    "HTTP/1.1 ",
    "HTTP/11",
    "HTP/1.1",
    "",
    "HTTP/1.1\0",
)
LENGTHS = (
    "0",
    "-1",
    "+5",
    "0x5",
    "5, 5",
    "5,6",
    "5 5",
    " ",
    "",
    "99999999999999999999",
    "4294967296",
    "1e3",
    "5\0",
    "\u0665",
)
CHUNKED = (
    "chunked",
    "Chunked",
    " chunked",
    "\tchunked",
    "xchunked",
    "chunked, identity",
    "identity, chunked",
    "chunked,chunked",
    "gzip, chunked",
    '"chunked"',
    "chunked;q=1",
    "chunked\0",
    "\x0bchunked",
    "identity",
    "",
)
TEXTS = ("x", "", "\0", "é", "a" * 3000, "../../etc/passwd", "{{7*7}}", "%s%n", "\ud7ff", "' OR 1=1 --", "-1", "null")


@dataclass(frozen=True)
class Target:
    """Somebody to ask.

    Args:
        names: what may stand in the Host header.
        origin: of its own page, None where there is none.
        calls: `METHOD /path` that it knows.
        headers: which every request to it needs.
    """

    name: str
    names: Sequence[str]
    origin: str | None
    calls: Sequence[str]
    bodies: Sequence[str] = ("{}",)
    headers: Sequence[str] = ()


@dataclass(frozen=True)
class Odd:
    """A request as bytes, and whether it is one that has to be answered."""

    raw: bytes
    whole: bool


class Grammar:
    """Makes requests for one target, the same ones for the same seed."""

    def __init__(self, target: Target, seed: int) -> None:
        self._target = target
        self._pick = random.Random(f"{seed} {target.name}")  # noqa: S311  (to be repeated, not to be secret)
        self._whole = True

    def request(self) -> Odd:
        """The next one."""
        self._whole = True
        raw = self._built() if self._chance(0.85) else self._mutated()
        return Odd(raw, self._whole)

    def _chance(self, part: float) -> bool:
        return self._pick.random() < part

    def _odd(self) -> None:
        self._whole = False

    def _mutated(self) -> bytes:
        """A proper request with one to three changes that know nothing of its form."""
        raw = self._proper()
        self._odd()
        for _ in range(self._pick.randint(1, 3)):
            raw = self._changed(raw) or b"\n"
        return raw

    def _changed(self, raw: bytes) -> bytes:
        at, cut = self._pick.randrange(len(raw)), self._pick.randint(1, 20)
        special = self._pick.choice((b"\r", b"\n", b"\r\n", b"\0", b" ", b":", b"/", b"..", b"%", b"\xff", b";", b"\t"))
        before, here, after = raw[:at], raw[at : at + cut], raw[at + cut :]
        return self._pick.choice(
            (
                before + special + here + after,
                before + special + raw[at + len(special) :],
                before + after,
                before + here * 2 + after,
                before + bytes([raw[at] ^ 1 << self._pick.randrange(8)]) + raw[at + 1 :],
                before,
            )
        )

    def _proper(self) -> bytes:
        method, path = self._pick.choice(self._target.calls).split(" ")
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._pick.choice(self._target.names)}", *self._target.headers]
        body = self._pick.choice(self._target.bodies).encode() if method in ("POST", "PUT", "PATCH") else b""
        if body:
            lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", "replace") + body

    def _built(self) -> bytes:
        method, path = self._call()
        end = "\r\n"
        if self._chance(0.03):
            self._odd()
            end = self._pick.choice(("\n", "\r", "\r\r\n"))
        version = "HTTP/1.1"
        if self._chance(0.04):
            self._odd()
            version = self._pick.choice(VERSIONS)
        lines = [f"{method} {path} {version}", *self._hosts(), *self._target.headers, *self._origins()]
        for _ in range(self._pick.choice((0, 0, 1, 1, 2, 4))):
            lines.append(self._header())
        framing, body = self._body(method)
        lines += framing
        if self._chance(0.9):
            lines.append("Connection: close")
        head = end.join([*lines, "", ""]).encode("utf-8", "surrogateescape")
        return head + body

    def _call(self) -> tuple[str, str]:
        method, path = self._pick.choice(self._target.calls if self._chance(0.8) else FORBIDDEN).split(" ")
        if self._chance(0.15):
            method = self._pick.choice(METHODS)
        if self._chance(0.04):
            self._odd()
            method = self._pick.choice(ODD_METHODS)
        if self._chance(0.3):
            path = self._bent(path)
        return method, path

    def _bent(self, path: str) -> str:
        at = self._pick.randint(0, len(path))
        _, other = self._pick.choice(FORBIDDEN).split(" ")
        bends: tuple[Callable[[], str], ...] = (
            lambda: path + self._pick.choice(UPS) * self._pick.randint(1, 4) + other.lstrip("/"),
            lambda: path[:at] + self._pick.choice(UPS) + path[at:],
            lambda: path + self._pick.choice(TAILS),
            lambda: path[:at] + self._pick.choice(TAILS) + path[at:],
            lambda: path[:at] + "".join(f"%{ord(c):02x}" for c in path[at : at + 2]) + path[at + 2 :],
            lambda: f"http://{self._pick.choice((*self._target.names, 'evil.example'))}{path}",
            lambda: self._pick.choice(("*", "", "evil.example:443", "//evil.example/", "/" + "a" * 9000, "?", "/ /")),
            path.swapcase,
            lambda: path.replace("/", self._pick.choice(("//", "\\", "%2f", "/./"))),
        )
        self._odd()
        return self._pick.choice(bends)()

    def _hosts(self) -> list[str]:
        name = self._pick.choice(self._target.names)
        if self._chance(0.92):
            return [f"Host: {name}"]
        self._odd()
        odd = ("evil.example", "", f"{name}.", f"{name}@evil.example", f"evil.example@{name}", f"{name},evil.example")
        return self._pick.choice(
            ([], [f"Host: {name}", f"Host: {name}"], *([f"Host: {each}"] for each in odd), [f"Host : {name}"])
        )

    def _origins(self) -> list[str]:
        if self._chance(0.85):
            return []
        own = self._target.origin or "http://localhost"
        return [f"Origin: {self._pick.choice((own, own, 'https://evil.example', 'null', '', f'{own}.evil.example'))}"]

    def _header(self) -> str:
        proper = (
            "Accept: text/html",
            "Accept: application/json",
            "Accept: */*;q=" + "9" * 50,
            "Expect: 100-continue",
            "X-Forwarded-For: 127.0.0.1",
            "X-Original-URL: /shutdown",
            "X-Rewrite-URL: /shutdown",
            "X-HTTP-Method-Override: DELETE",
            "Authorization: Bearer " + self._pick.choice(("x", "a.b.c", "=" * 500)),
            "Cookie: token=" + self._pick.choice(("x", "a.b.c", "; " * 300)),
            "Range: bytes=0-,5-1,-1",
            "If-None-Match: *",
            "If-Modified-Since: never",
            "TE: trailers",
            "X-Request-ID: " + self._pick.choice(("a", '"}', "a" * 200)),
            "X-Accel-Redirect: /-/away/chainlit.html",
            "Accept-Language: " + self._pick.choice(("de", "../..", "%00", "x" * 500)),
            "Accept-Encoding: gzip, br",
        )
        odd = (
            "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings",
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==",
            "Upgrade: websocket\r\nConnection: Upgrade",
            "Connection: close, Content-Length, X-Relay-Token, Host",
            "X-A: b\r\n folded: c",
            "X-A : b",
            "X-A",
            ": x",
            " X-A: b",
            "X-A: a\0b",
            "X-A: a\rb",
            "X-A: a\nPOST /shutdown HTTP/1.1",
            "X\xffA: b",
            "X_A: b",
            "X-Long: " + "a" * self._pick.choice((4000, 9000, 40_000)),
            "\r\n".join(f"X-{number}: b" for number in range(150)),
        )
        if self._chance(0.85):
            return self._pick.choice(proper)
        self._odd()
        return self._pick.choice(odd)

    def _body(self, method: str) -> tuple[list[str], bytes]:
        """Headers about it, and itself."""
        if method in ("GET", "HEAD", "DELETE", "OPTIONS") and self._chance(0.85):
            return [], b""
        body, kind = self._content(), self._pick.random()
        if kind < 0.5:
            return [f"Content-Length: {len(body)}", "Content-Type: application/json"], body
        if kind < 0.65:
            return ["Transfer-Encoding: chunked", "Content-Type: application/json"], self._chunks(body)
        self._odd()
        return self._odd_framing(body, kind)

    def _odd_framing(self, body: bytes, kind: float) -> tuple[list[str], bytes]:
        if kind < 0.75:
            return [f"Content-Length: {self._pick.choice(LENGTHS)}"], body
        if kind < 0.8:
            return [f"Content-Length: {max(0, len(body) + self._pick.choice((-5, -1, 1, 7)))}"], body
        if kind < 0.88:
            return [f"Transfer-Encoding: {self._pick.choice(CHUNKED)}"], self._chunks(body)
        if kind < 0.96:
            both = [f"Content-Length: {self._pick.choice((len(body), 4, 0))}"]
            both.append(f"Transfer-Encoding: {self._pick.choice(CHUNKED)}")
            self._pick.shuffle(both)
            return both, self._pick.choice((self._chunks(body), b"0\r\n\r\n" + self._hidden(), body))
        return ["Content-Length: 5", f"Content-Length: {self._pick.choice((5, 6))}"], body

    def _content(self) -> bytes:
        kind = self._pick.random()
        proper = self._pick.choice(self._target.bodies)
        if kind < 0.5:
            return proper.encode()
        if kind < 0.7:
            return json.dumps(self._bent_json(json.loads(proper)), ensure_ascii=self._chance(0.5)).encode()
        if kind < 0.8:
            at = self._pick.randrange(len(proper))
            return (proper[:at] + self._pick.choice(("", '"', "\\u0000", "[" * 3000, ",")) + proper[at + 1 :]).encode()
        if kind < 0.9:
            return self._hidden()
        return self._pick.randbytes(self._pick.choice((1, 50, 20_000)))

    def _bent_json(self, value: object) -> object:
        if self._chance(0.25):
            return self._pick.choice((*TEXTS, None, True, -1, 10**30, 1e308, [], {}, [[[]]], {"": ""}))
        if isinstance(value, dict):
            return {key: self._bent_json(each) for key, each in value.items() if not self._chance(0.1)}
        if isinstance(value, list):
            return [self._bent_json(each) for each in value] * self._pick.choice((0, 1, 2))
        return value

    def _hidden(self) -> bytes:
        """A whole request, to be found by whoever reads the body as the next one."""
        name = self._pick.choice(self._target.names)
        return f"{self._pick.choice(FORBIDDEN)} HTTP/1.1\r\nHost: {name}\r\nX-Hidden: yes\r\n\r\n".encode()

    def _chunks(self, body: bytes) -> bytes:
        at = self._pick.randint(0, len(body))
        sizes = [b"%x" % len(part) for part in (body[:at], body[at:])]
        end = b"\r\n"
        trailer = b""
        if self._chance(0.3):
            self._odd()
            odd = self._pick.choice(("size", "extension", "end", "trailer", "huge", "none"))
            sizes[0] = {
                "size": self._pick.choice((b"0x1", b"+1", b"-1", b" 1", b"", b"g", b"1_0")) + sizes[0],
                "extension": sizes[0]
                + self._pick.choice((b";a=b", b";\x00", b" ;a", b';a="\r\n"', b";" + b"x" * 5000)),
                "huge": b"f" * 17,
            }.get(odd, sizes[0])
            end = b"\n" if odd == "end" else end
            trailer = b"Content-Length: 5\r\nX-Relay-Token: x\r\n" if odd == "trailer" else b""
            if odd == "none":
                return sizes[0] + end + body[:at]
        parts = [size + end + part + b"\r\n" for size, part in zip(sizes, (body[:at], body[at:]), strict=True) if part]
        return b"".join(parts) + b"0\r\n" + trailer + b"\r\n"
