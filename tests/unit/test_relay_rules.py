"""The relay's rules as pure functions: what is on the list passes, everything else does not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.parts.relay import rules
from stack.parts.relay.rules import Asked, Door

LOOPBACK = Door("127.0.0.1", 51211)
BRIDGE = Door("172.17.0.1", 51299)

ALLOWED = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/phi-4-mini-instruct-generic-cpu:5"),
    ("GET", "/v1/models/phi-4-mini-instruct-generic-cpu%3A5"),
    ("GET", "/models/loaded"),
    ("GET", "/status"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/embeddings"),
    ("DELETE", "/v1/responses/resp_ce321743bbbf241c9c085991e257f49"),
]

REFUSED = [
    ("POST", "/shutdown"),
    ("GET", "/shutdown"),
    ("GET", "/models/load/phi-4-mini"),
    ("GET", "/models/unload/phi-4-mini"),
    ("POST", "/models/unload/phi-4-mini"),
    ("GET", "/v1/responses"),
    ("GET", "/v1/responses/resp_1"),
    ("GET", "/v1/responses/resp_1/input_items"),
    ("DELETE", "/v1/responses"),
    ("DELETE", "/v1/responses/"),
    ("DELETE", "/v1/responses/resp_1/"),
    ("DELETE", "/v1/models/phi:1"),
    ("GET", "/v1/models/.."),
    ("GET", "/v1/models/../responses"),
    ("GET", "/v1/models/%2e%2e/responses"),
    ("GET", "/v1/models/..%2fresponses"),
    ("GET", "/v1/models/..;/responses"),
    ("GET", "/v1/models/a%2fb"),
    ("GET", "/v1/models/a%00"),
    ("GET", "/v1/models/"),
    ("GET", "/v1/models/a/"),
    ("GET", "/v1/models/" + "a" * 201),
    ("GET", "/v1//models"),
    ("GET", "//v1/models"),
    ("GET", "/v1/models?x=1"),
    ("GET", "/v1/models#x"),
    ("GET", "/v1/models\n"),
    ("GET", "/V1/models"),
    ("GET", "/%761/models"),
    ("GET", "/./v1/models"),
    ("GET", "http://127.0.0.1:51211/v1/models"),
    ("POST", "/v1/chat/completions/"),
    ("POST", "/v1/chat/completions;a=b"),
    ("POST", "/v1/models"),
    ("HEAD", "/v1/models"),
    ("OPTIONS", "/v1/chat/completions"),
    ("OPTIONS", "*"),
    ("CONNECT", "127.0.0.1:51211"),
    ("get", "/v1/models"),
    ("", ""),
]


@pytest.mark.parametrize(("method", "target"), ALLOWED)
def test_inference_passes(method: str, target: str) -> None:
    assert rules.is_allowed(method, target)


@pytest.mark.parametrize(("method", "target"), REFUSED)
def test_everything_else_does_not(method: str, target: str) -> None:
    assert not rules.is_allowed(method, target)


@given(st.sampled_from(ALLOWED), st.data())
def test_one_changed_character_never_leaves_the_listed_routes(route: tuple[str, str], data: st.DataObject) -> None:
    method, target = route
    place = data.draw(st.integers(0, len(target)))
    odd = data.draw(
        st.sampled_from(["/", "?", "#", ";", "\\", "%", "%2f", "%2e", "..", "//", "\r\n", "\x00", " ", "é"])
    )
    changed = target[:place] + odd + target[place:]
    if rules.is_allowed(method, changed):  # only dots within an id may be added
        assert odd == ".."
        assert re.fullmatch(r"/v1/models/[A-Za-z0-9][^/]*", changed)


def test_the_colon_is_always_written_plain_to_foundry() -> None:
    assert rules.upstream_path("/v1/models/phi%3A5") == rules.upstream_path("/v1/models/phi%3a5") == "/v1/models/phi:5"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:51299",
        "localhost:51299",
        "LocalHost:51299",
        "[::1]:51299",
        "172.17.0.1:51299",
        "host.docker.internal:51299",
        "host.docker.internal:51211",
    ],
)
def test_own_names_are_ours(host: str) -> None:
    assert rules.host_is_ours(BRIDGE, [host])


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["127.0.0.1"],
        ["localhost:51211"],
        ["localhost:80"],
        ["evil.example:51299"],
        ["evil.example"],
        ["localhost.:51299"],
        ["127.0.0.1:51299.evil.example"],
        ["127.0.0.1:51299@evil.example"],
        ["172.17.0.2:51299"],
        ["192.0.2.2:51299"],
        ["0.0.0.0:51299"],
        ["localhost:51299", "localhost:51299"],
        ["localhost:51299,evil.example"],
    ],
)
def test_other_names_are_not(hosts: list[str]) -> None:
    assert not rules.host_is_ours(BRIDGE, hosts)


def test_the_bridge_address_is_no_name_of_the_loopback_door() -> None:
    assert not rules.host_is_ours(LOOPBACK, ["172.17.0.1:51211"])


@pytest.mark.parametrize("origins", [[], ["http://localhost:51211"], ["http://127.0.0.1:51211"]])
@pytest.mark.parametrize("fetch_sites", [[], ["none"], ["same-origin"]])
def test_where_no_foreign_page_asks(origins: list[str], fetch_sites: list[str]) -> None:
    assert rules.no_foreign_page_asks(LOOPBACK, origins, fetch_sites)


@pytest.mark.parametrize("fetch_site", ["cross-site", "same-site", "", "None", "none, none"])
def test_a_foreign_page_without_an_origin(fetch_site: str) -> None:
    assert not rules.no_foreign_page_asks(LOOPBACK, [], [fetch_site])
    assert not rules.no_foreign_page_asks(LOOPBACK, [], ["none", fetch_site])


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.example",
        "http://localhost.evil.example",
        "http://localhost@evil.example",
        "http://evil.example/http://localhost",
        "http://127.0.0.1.nip.io",
        "http://192.168.1.5",
        "file://localhost",
        "http://localhost",
        "http://localhost:8080",
        "https://localhost:51211",
        "http://localhost:51211/",
    ],
)
def test_other_pages_may_not(origin: str) -> None:
    assert not rules.no_foreign_page_asks(LOOPBACK, [origin], [])
    assert not rules.no_foreign_page_asks(LOOPBACK, ["http://localhost:51211", origin], ["same-origin"])


@pytest.mark.parametrize(
    ("expected", "sent", "right"),
    [
        ("secret", ["secret"], True),
        ("secret", ["Secret"], False),
        ("secret", [""], False),
        ("secret", [], False),
        ("secret", ["secret", "secret"], False),
        ("secret", ["s\udce9cret"], False),
        ("", [""], False),
        (None, ["secret"], False),
        (None, [""], False),
    ],
)
def test_token(expected: str | None, sent: list[str], right: bool) -> None:
    assert rules.token_is_right(expected, sent) is right


@pytest.mark.parametrize(
    ("door", "peer", "needed"),
    [
        ("127.0.0.1:1", "127.0.0.1", False),
        ("[::1]:1", "::1", False),
        ("127.0.0.1:1", "172.17.0.2", True),  # route_localnet
        ("127.0.0.2:1", "127.0.0.1", True),
        ("172.17.0.1:1", "172.17.0.2", True),
        ("172.17.0.1:1", "127.0.0.1", True),
    ],
)
def test_only_loopback_to_loopback_needs_no_token(door: str, peer: str, needed: bool) -> None:
    assert Door.parse(door).needs_token(peer) is needed


def test_a_stranger_on_the_bridge_learns_nothing_but_the_missing_token() -> None:
    asked = Asked("POST", "/shutdown", ["evil.example"], ["https://evil.example"], ["guess"])
    refusal = rules.judge(asked, BRIDGE, "172.17.0.9", "secret")
    assert refusal is not None
    assert (refusal.status, refusal.code) == (401, "relay-token-wrong")


@pytest.mark.parametrize("text", ["0.0.0.0:1", "[::]:1", "localhost:1", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536"])
def test_a_door_is_one_address(text: str) -> None:
    with pytest.raises(ValueError):
        Door.parse(text)


def test_an_ipv6_door_reads_as_it_is_written() -> None:
    assert str(Door.parse("[::1]:7")) == "[::1]:7"
