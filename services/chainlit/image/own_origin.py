"""Make Chainlit's page ask nobody but its own server: the fonts and the style of formulas come with it.

Run once, while the image is built: ``python own_origin.py node_modules``. Fails where Chainlit's page is not the one
that this was written for, so that a new version can't bring a foreign link back unseen.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

LATIN = r"inter-latin(-ext)?-wght-(normal|italic)\.woff2"  # the languages of Europe that write in Latin letters
EVERY_WOFF2 = r"\S+\.woff2"

FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}")
OLDER_FORMAT = re.compile(r",\s*url\([^)]*\.(?:woff|ttf)\)\s*format\([^)]*\)")
FONT_FILE = re.compile(r"url\((?:\./)?([^)]*)\)")
FOREIGN_LINK = re.compile(r"""<link\b[^>]*?\bhref=["']https?://[^>]*>\s*""")
FOREIGN = re.compile(r"""(?:href|src)=["']?(?:https?:)?//""")
STYLES_GO_HERE = "<!-- CSS INJECTION PLACEHOLDER -->"

# What opens and closes a formula. Chainlit leaves this at true, where "$5 and $10" is one.
SINGLE_DOLLAR = "singleDollarTextMath;return n==null&&(n=!0),{tokenize:"
ONLY_DOUBLE_DOLLAR = "singleDollarTextMath;return n==null&&(n=!1),{tokenize:"

# For each persona it would throw away its settings, which are the same for all, and show nothing until they came again.
DROPS_SETTINGS = "i.current!==r&&(e(void 0),i.current=r)"
KEEPS_SETTINGS = "i.current=r"

# How the page refuses a file: with all the hundred endings that it takes.
EVERY_ENDING = 'message:"File type must be ".concat(n)'
IN_SHORT = 'message:"This kind of file can\'t be read. Text, Markdown, CSV, code, PDF and Word (docx) can."'


def main(packages: Path) -> None:
    spec = importlib.util.find_spec("chainlit")  # found, not imported: that would start it
    check(bool(spec and spec.origin), "Chainlit is not installed")
    page = Path(str(spec and spec.origin)).parent / "frontend" / "dist" / "index.html"
    assets = page.parent / "assets"
    (script,) = assets.glob("index-*.js")
    katex = version_of(packages / "katex")
    html = page.read_text(encoding="utf-8")
    check(f"/katex@{katex}/" in html, f"Chainlit's page wants another version of KaTeX than {katex}")
    code = script.read_text(encoding="utf-8")
    check(f'"{katex}"' in code, f"Chainlit's script holds another version of KaTeX than {katex}")
    check(code.count(SINGLE_DOLLAR) == 1, "Chainlit's script reads formulas in another way than it did")
    check(code.count(EVERY_ENDING) == 1, "Chainlit's script refuses files in other words than it did")
    check(code.count(DROPS_SETTINGS) == 1, "Chainlit's script keeps its settings in another way than it did")
    styles = [
        bring(packages / "@fontsource-variable" / "inter", ["wght.css", "wght-italic.css"], LATIN, assets),
        bring(packages / "katex", ["dist/katex.min.css"], EVERY_WOFF2, assets),
    ]
    for theirs, ours in (
        (SINGLE_DOLLAR, ONLY_DOUBLE_DOLLAR),
        (EVERY_ENDING, IN_SHORT),
        (DROPS_SETTINGS, KEEPS_SETTINGS),
    ):
        code = code.replace(theirs, ours)
    script.write_text(code, encoding="utf-8")
    page.write_text(with_own_styles(html, styles), encoding="utf-8")


def bring(package: Path, sources: list[str], wanted: str, assets: Path) -> str:
    """Put styles as one, their wanted fonts and the licence in a folder named after the version; return the address."""
    folder = assets / f"{package.name}-{version_of(package)}"
    folder.mkdir()
    shutil.copyfile(package / "LICENSE", folder / "LICENSE")
    together = ""
    for source in [package / name for name in sources]:
        style, fonts = with_fonts(source.read_text(encoding="utf-8"), wanted)
        check(bool(fonts), f"{source} names no font like {wanted}")
        for font in fonts:
            (folder / font).parent.mkdir(exist_ok=True)
            shutil.copyfile(source.parent / font, folder / font)
        together += style
    (folder / f"{package.name}.css").write_text(together, encoding="utf-8")
    return f"/assets/{folder.name}/{package.name}.css"


def with_fonts(css: str, wanted: str) -> tuple[str, list[str]]:
    """The style with those font faces only whose woff2 file is wanted, and the files, as it names them."""
    fonts: list[str] = []

    def keep(face: re.Match[str]) -> str:
        block = OLDER_FORMAT.sub("", face[0])
        (file,) = FONT_FILE.findall(block)
        if not re.fullmatch(wanted, Path(file).name):
            return ""
        fonts.append(file)
        return block

    return FONT_FACE.sub(keep, css), fonts


def with_own_styles(html: str, styles: list[str]) -> str:
    """The page with these styles instead of all that it links elsewhere."""
    check(STYLES_GO_HERE in html, "Chainlit's page has no place for styles")
    html, removed = FOREIGN_LINK.subn("", html)
    check(removed == 4, f"Chainlit's page linked {removed} things elsewhere, not 4")
    links = "".join(f'<link rel="stylesheet" href="{style}" />\n    ' for style in styles)
    html = html.replace(STYLES_GO_HERE, links + STYLES_GO_HERE)
    check(not FOREIGN.search(html), "Chainlit's page still links something elsewhere")
    return html


def version_of(package: Path) -> str:
    return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])


def check(good: bool, otherwise: str) -> None:
    if not good:
        sys.exit(f"own_origin.py: {otherwise}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
