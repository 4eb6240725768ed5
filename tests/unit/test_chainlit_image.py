"""What Chainlit's image takes from packages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from image import own_origin
from stack.settings import ROOT

CHAINLIT = ROOT / "services" / "chainlit"

FACES = """
@font-face{font-family:F;src:url(fonts/F-Latin.woff2) format("woff2"),url(fonts/F-Latin.woff) format("woff")}
@font-face{font-family:F;src:url(./fonts/F-Greek.woff2) format('woff2')}
.formula{font:1em F}
"""
PAGE = """<head>
<link rel="preconnect" href="https://a.example" />
<link rel="preconnect" href="https://b.example" crossorigin />
<link
  href="https://a.example/css2?family=Inter"
  rel="stylesheet"
/>
<link rel="stylesheet" href='https://c.example/katex@1.2.3/katex.css'>
<!-- CSS INJECTION PLACEHOLDER -->
<script src="/assets/index.js"></script></head>"""


def test_node_is_the_same_as_in_the_demos_image() -> None:
    demo = ROOT / "services" / "webgpu-static"
    for name in ("node.lock", ".npmrc"):
        assert (CHAINLIT / name).read_bytes() == (demo / name).read_bytes()


def test_every_package_is_held_by_its_hash() -> None:
    lock = json.loads((CHAINLIT / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert "node_modules/katex" in packages
    for package in packages.values():
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package


def test_only_the_wanted_fonts_stay() -> None:
    style, fonts = own_origin.with_fonts(FACES, r".*Latin\.woff2")
    assert fonts == ["fonts/F-Latin.woff2"]
    assert re.findall(r"url\(([^)]*)\)", style) == fonts
    assert ".formula" in style


def test_foreign_links_become_own_ones() -> None:
    html = own_origin.with_own_styles(PAGE, ["/assets/own.css"])
    assert "example" not in html
    assert html.count("<link") == 1
    assert '<link rel="stylesheet" href="/assets/own.css" />' in html


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (PAGE.replace("https://b.example", "/b"), "linked 3 things elsewhere, not 4"),
        (PAGE.replace("/assets/index.js", "https://d.example/index.js"), "still links something elsewhere"),
        (PAGE.replace("/assets/index.js", "//d.example/index.js"), "still links something elsewhere"),
        (PAGE.replace("CSS INJECTION", ""), "no place for styles"),
    ],
)
def test_another_page_than_expected_ends_the_build(page: str, said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        own_origin.with_own_styles(page, ["/assets/own.css"])


def test_both_themes_are_complete() -> None:
    theme = json.loads(Path(CHAINLIT, "public", "theme.json").read_text(encoding="utf-8"))
    light, dark = theme["variables"]["light"], theme["variables"]["dark"]
    assert light.keys() == dark.keys()
    assert light["--background"] != dark["--background"]
