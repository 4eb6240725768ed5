"""What the chat's page is made of: it comes from this stack only, and a browser keeps what does not change."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
from docker.models.containers import Container

from stack.settings import Settings

YEAR = "public, max-age=31536000, immutable"
DAY = "public, max-age=86400"
MINUTES = "public, max-age=600"


@pytest.fixture(scope="module")
def http(settings: Settings) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{settings.chainlit_port}", trust_env=False)


def of_page(http: httpx.Client, kind: str) -> str:
    """The address of the one file of that kind in the page."""
    (found,) = re.findall(rf'(?:href|src)="(/[^"]*{kind})"', http.get("/").text)
    return str(found)


def test_the_page_links_only_what_is_here(http: httpx.Client) -> None:
    page = http.get("/")
    links = re.findall(r"""(?:href|src)=["']?([^"' >]+)""", page.text)
    assert len(links) >= 6
    assert [link for link in links if not re.match(r"/(?!/)", link)] == []
    for link in links:
        answer = http.get(link)
        assert answer.status_code == 200, link
        assert "text/html" not in answer.headers["content-type"], link
    assert "cache-control" not in page.headers


@pytest.mark.parametrize(
    ("kind", "fonts"), [(r"/inter-[\d.]+/inter\.css", 4), (r"/katex-[\d.]+/katex\.css", 20)], ids=["inter", "katex"]
)
def test_each_font_of_a_style_is_there_and_kept(http: httpx.Client, kind: str, fonts: int) -> None:
    address = of_page(http, kind)
    style = http.get(address)
    assert style.headers["cache-control"] == YEAR
    named = re.findall(r"url\(([^)]*)\)", style.text)
    assert len(named) == fonts
    for font in named:
        answer = http.get(httpx.URL(f"http://page{address}").join(font).path)
        assert answer.headers["content-type"] == "font/woff2"
        assert answer.headers["cache-control"] == YEAR
        assert answer.content[:4] == b"wOF2"
    assert "license" in http.get(f"{address.rpartition('/')[0]}/LICENSE").text.lower()


def test_what_may_change_is_not_kept_for_long(http: httpx.Client) -> None:
    for script_or_style in (of_page(http, r"/index-[\w-]+\.js"), of_page(http, r"/index-[\w-]+\.css")):
        assert http.get(script_or_style).headers["cache-control"] == DAY
    for address in ("/logo?theme=light", "/logo?theme=dark", "/favicon", "/avatars/default", "/public/look.css"):
        answer = http.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == MINUTES
    missing = http.get("/assets/inter-5.3.0/none.woff2")
    assert missing.status_code == 404
    assert "cache-control" not in missing.headers


def test_logos_and_favicon_are_ours(http: httpx.Client) -> None:
    light, dark = (http.get(f"/logo?theme={theme}") for theme in ("light", "dark"))
    assert light.headers["content-type"] == dark.headers["content-type"] == "image/svg+xml"
    assert "<title>Foundry Local" in light.text
    assert "<title>Foundry Local" in dark.text
    assert light.text != dark.text
    assert "#2f5d50" in http.get("/favicon").text


def test_the_image_carries_no_source_maps(container: Callable[[str], Container]) -> None:
    chainlit = container("chainlit")
    there = chainlit.exec_run(["find", "/opt/venv/lib", "-path", "*/chainlit/frontend/*", "-name", "index-*.js"])
    assert there.output, "the page's script is elsewhere now"
    maps = chainlit.exec_run(["find", "/opt/venv/lib", "-path", "*/chainlit/*", "-name", "*.map"])
    assert (maps.exit_code, maps.output) == (0, b"")
