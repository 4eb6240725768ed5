"""Which headers pass the relay, in both directions."""

from __future__ import annotations

from multidict import CIMultiDict, CIMultiDictProxy

from stack.parts.relay.rules import TOKEN_HEADER

VIA = "1.1 foundry-stack-relay"
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)  # RFC 9110, 7.6.1: they speak about one connection, and there are two
FOR_CLOUD = ("Content-Type", "Accept")
FROM_CLOUD = ("Content-Type", "Content-Length", "Content-Encoding", "Cache-Control")
NOT_FOR_FOUNDRY = frozenset({"host", "expect", "content-length", "cookie", TOKEN_HEADER.lower()})

Headers = CIMultiDictProxy[str]


def for_foundry(headers: Headers, request_id: str, token: str | None) -> CIMultiDict[str]:
    """The client's headers as Foundry Local gets them: no token, and no cookies of other sites on localhost.

    Args:
        token: the relay's own, which goes no further in whatever header it came.
    """
    passed = _end_to_end(headers, NOT_FOR_FOUNDRY | _names_holding(token, headers))
    passed["X-Request-ID"] = request_id
    return passed


def for_client(headers: Headers, request_id: str) -> CIMultiDict[str]:
    """Foundry Local's headers as the client gets them: each said once (2.2.1 sends some twice), and who passed them."""
    passed = _end_to_end(headers, frozenset())
    passed.add("Via", VIA)
    passed["X-Request-ID"] = request_id
    return passed


def for_cloud(headers: Headers, length: int | None) -> CIMultiDict[str]:
    """What of the client's headers the cloud gets: how to read the question; nothing on who asks, or with what.

    Args:
        length: of the body, where the client says it.
    """
    passed = CIMultiDict({name: headers[name] for name in FOR_CLOUD if name in headers})
    passed["Accept-Encoding"] = "identity"
    passed["User-Agent"] = "foundry-stack"
    if length is not None:
        passed["Content-Length"] = str(length)
    return passed


def for_client_of_cloud(headers: Headers, request_id: str) -> CIMultiDict[str]:
    """What of the cloud's headers the client gets: how to read the answer; no cookies, accounts or traces."""
    passed = CIMultiDict({name: headers[name] for name in FROM_CLOUD if name in headers})
    passed["Via"] = VIA
    passed["X-Request-ID"] = request_id
    return passed


def _names_holding(token: str | None, headers: Headers) -> frozenset[str]:
    return frozenset(name.lower() for name, value in headers.items() if token and token in value)


def _end_to_end(headers: Headers, dropped: frozenset[str]) -> CIMultiDict[str]:
    named = {name.strip().lower() for value in headers.getall("Connection", []) for name in value.split(",")}
    passed: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        lower = name.lower()
        if lower in HOP_BY_HOP or lower in dropped or lower in named:
            continue
        if value not in passed.getall(name, []):
            passed.add(name, value)
    return passed
