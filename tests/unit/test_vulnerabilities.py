"""Whether anything is known to be vulnerable: red when it is, green only by somebody who would have known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.advisories import Advisories, served
from fakes.listener import listener
from stack.commands import vulnerabilities
from stack.commands.vulnerabilities import SKIPPED, VULNERABLE, read_accepted, report
from stack.parts import advisories
from stack.parts.advisories import Npm, Osv, Pypi, Source, asking
from stack.parts.host_checks import free_ports
from stack.parts.inventory import Inventory, Kind, Package
from stack.tools.errors import StackError

NGINX = Package(Kind.DEBIAN, "nginx-common", "1.26.3-3", source="nginx", source_version="1.26.3-3")
OPENAI = Package(Kind.PYTHON, "openai", "3.54.0")
KATEX = Package(Kind.NPM, "katex", "0.16.22")
FOUND = {
    "gateway": Inventory((NGINX,), "debian", "13"),
    "chainlit": Inventory((NGINX, OPENAI, KATEX), "debian", "13"),
    "scripts": Inventory((OPENAI,)),
}


@pytest.fixture
def source() -> Iterator[Advisories]:
    with served(Advisories()) as standing:
        yield standing


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    return f"http://127.0.0.1:{free_ports(1)[0]}"


def asked(*sources: Source, accepted: dict[str, str] | None = None, found: dict[str, Inventory] = FOUND) -> int:
    return report(advisories.ask(sources, list(found.values())), found, accepted or {})


def test_green_when_everything_was_asked_and_nothing_is_known(
    source: Advisories, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(Osv(source.url)) == 0
    assert set(source.asked) >= {
        ("Debian:13", "nginx", "1.26.3-3"),
        ("PyPI", "openai", "3.54.0"),
        ("npm", "katex", "0.16.22"),
    }
    assert "None of it is known to be vulnerable." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "version", "holders"),
    [
        ("nginx", "1.26.3-3", "gateway, chainlit"),
        ("openai", "3.54.0", "chainlit, scripts"),
        ("katex", "0.16.22", "chainlit"),
    ],
)
def test_red_when_one_is_known(
    source: Advisories, capsys: pytest.CaptureFixture[str], name: str, version: str, holders: str
) -> None:
    source.vulnerable.add((name, version))
    assert asked(Osv(source.url)) == VULNERABLE
    out = capsys.readouterr().out
    assert f"OSV-{name}" in out
    assert f"in {holders}\n" in out


def test_an_accepted_one_is_shown_and_not_counted(source: Advisories, capsys: pytest.CaptureFixture[str]) -> None:
    source.vulnerable.add(("openai", "3.54.0"))
    assert asked(Osv(source.url), accepted={"OSV-openai": "never called"}) == 0
    assert "accepted" in capsys.readouterr().out
    assert asked(Osv(source.url), accepted={"OSV-other": "never called"}) == VULNERABLE


def test_skipped_when_nobody_answers(nobody: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(Osv(nobody), Npm(nobody), Pypi(nobody)) == SKIPPED
    out = capsys.readouterr().out
    assert out.count("no data source") == len(Kind)
    assert "OSV can't be reached (ConnectError); PyPI can't be reached (ConnectError)" in out
    assert "green" not in out
    assert "None of it" not in out


def test_who_is_away_is_asked_once(nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    monkeypatch.setattr(Osv, "known", _counting(tried, Osv.known))
    assert asked(Osv(nobody)) == SKIPPED
    assert len(tried) == 1


def test_who_says_nothing_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SECONDS", 0.3)
    with listener(None) as port:
        assert asked(Osv(f"http://127.0.0.1:{port}")) == SKIPPED


@pytest.mark.parametrize("other", [Npm, Pypi])
def test_where_the_first_source_is_away_the_next_one_answers(
    source: Advisories, nobody: str, other: type[Npm] | type[Pypi], capsys: pytest.CaptureFixture[str]
) -> None:
    package = KATEX if other is Npm else OPENAI
    only = {"chainlit": Inventory((package,), "debian", "13")}
    assert asked(Osv(nobody), other(source.url), found=only) == 0
    source.vulnerable.add((package.name, package.version))
    assert asked(Osv(nobody), other(source.url), found=only) == VULNERABLE
    assert f"{package.name} {package.version}" in capsys.readouterr().out


def test_what_is_known_is_red_even_where_the_rest_is_not_known(source: Advisories, nobody: str) -> None:
    assert asked(Osv(nobody), Pypi(source.url)) == SKIPPED
    source.vulnerable.add(("openai", "3.54.0"))
    assert asked(Osv(nobody), Pypi(source.url)) == VULNERABLE


def test_a_source_that_knows_nothing_of_the_best_known_holes_has_no_data(
    source: Advisories, capsys: pytest.CaptureFixture[str]
) -> None:
    source.vulnerable.clear()
    assert asked(Osv(source.url), Npm(source.url), Pypi(source.url)) == SKIPPED
    assert "does not know that minimist 0.0.8 is vulnerable, so it has no data" in capsys.readouterr().out


GARBAGE: dict[str, tuple[int, bytes]] = {
    "a page": (200, b"<html>welcome</html>"),
    "nothing": (200, b""),
    "an empty object": (200, b"{}"),
    "a list": (200, b"[]"),
    "null": (200, b"null"),
    "a number of results": (200, b'{"results": 3}'),
    "no results": (200, b'{"results": []}'),
    "one result too many": (200, b'{"results": [{}, {}]}'),
    "results that are none": (200, b'{"results": ["x"]}'),
    "holes that are none": (200, b'{"results": [{"vulns": [{}]}]}'),
    "holes in no list": (200, b'{"results": [{"vulns": "many"}]}'),
    "a package's page without a word on holes": (200, b'{"info": {}}'),
    "holes of a package as a text": (200, b'{"vulnerabilities": "many"}'),
    "holes of a package as numbers": (200, b'{"vulnerabilities": [1]}'),
    "another package": (200, b'{"lodash": [{"id": 1}]}'),
    "an error": (500, b"{}"),
    "another place": (302, b"{}"),
    "not to be found": (404, b"{}"),
    "a limit": (429, b'{"results": [{}]}'),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_never_green(source: Advisories, garbage: tuple[int, bytes]) -> None:
    source.instead = garbage
    assert asked(Osv(source.url), Npm(source.url), Pypi(source.url)) == SKIPPED


@pytest.mark.parametrize("status", [203, 302, 404, 429, 500])
def test_an_answer_that_says_of_itself_that_it_is_none_is_never_green(source: Advisories, status: int) -> None:
    source.status = status
    assert asked(Osv(source.url), Npm(source.url), Pypi(source.url)) == SKIPPED


def test_garbage_after_a_good_beginning_is_never_green(source: Advisories) -> None:
    """The hole that everybody knows is told of, and then one package's result is missing."""
    more = Package(Kind.PYTHON, "pydantic", "2.0")
    source.change = lambda answer: {"results": answer["results"][:1]}
    assert asked(Osv(source.url), found={"chainlit": Inventory((OPENAI, more))}) == SKIPPED


def test_an_endless_answer_ends(source: Advisories) -> None:
    source.change = lambda answer: {"results": [{"next_page_token": "more"} for _ in answer["results"]]}
    assert asked(Osv(source.url)) == SKIPPED


def test_nothing_found_in_the_images_is_not_green(source: Advisories) -> None:
    assert asked(Osv(source.url), found={"gateway": Inventory(())}) == SKIPPED


@pytest.mark.parametrize("text", ['[accepted]\n"CVE-1" = ""', "[accepted", 'accepted = "all"'])
def test_nothing_is_accepted_without_a_reason(tmp_path: Path, text: str) -> None:
    file = tmp_path / "accepted.toml"
    file.write_text(text)
    with pytest.raises(StackError) as told:
        read_accepted(file)
    assert told.value.exit_code == 2


def test_the_own_list_of_accepted_ones_can_be_read() -> None:
    assert all(read_accepted(vulnerabilities.ACCEPTED).values())


def test_names_and_versions_are_all_that_is_told(source: Advisories, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[Any] = []
    right = source.answer
    monkeypatch.setattr(source, "answer", lambda path, body: bodies.append(body) or right(path, body))
    assert asked(Osv(source.url)) == 0
    for word in ('debian"', "gateway", "chainlit", "scripts"):
        assert word not in json.dumps(bodies)


def _counting(seen: list[int], real: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*arguments: Any) -> Any:
        seen.append(1)
        return real(*arguments)

    return counted
