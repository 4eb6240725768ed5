"""What every answer of every page says to a browser, errors included."""

from __future__ import annotations

import httpx

ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-dns-prefetch-control": "off",
}
OFF = ("camera", "microphone", "geolocation", "display-capture", "usb", "serial", "local-fonts", "browsing-topics")


def assert_safe(answer: httpx.Response) -> None:
    """The headers are there, each once, and none lets another origin in."""
    for name, value in ALWAYS.items():
        assert answer.headers.get_list(name) == [value], name
    (policy,) = answer.headers.get_list("content-security-policy")
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] in (["'none'"], ["'self'"])
    assert rules["frame-ancestors"] in (["'none'"], ["'self'"])
    sources = {source for sources in rules.values() for source in sources}
    foreign = {source for source in sources if "*" in source or source.startswith(("http", "//"))}
    assert foreign == set(), policy
    (permissions,) = answer.headers.get_list("permissions-policy")
    assert {f"{name}=()" for name in OFF} <= set(permissions.split(", "))
    assert [name for name in answer.headers if name.startswith("access-control-")] == []
