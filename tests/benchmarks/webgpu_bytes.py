"""What the WebGPU demo costs on the wire: the first visit, the second, and the first with nothing compressed.

    PYTHONPATH=scripts python tests/benchmarks/webgpu_bytes.py [--page URL]

Chromium's own network log counts, headers included, until the model has run. The last row is what a plain nginx would
send, measured with a browser that takes nothing compressed.
Exit code: 0 both limits are kept, 1 one is not.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright
from rich.console import Console
from rich.table import Table

from stack.settings import load

FIRST_LIMIT, SECOND_LIMIT = 4_500_000, 10_000  # bytes
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--headless=new", "--no-sandbox", "--disable-background-networking", "--no-first-run", "--disable-quic"]
READY_MS = 90_000


@dataclass
class Visit:
    """``bytes`` that came over the wire, for ``requests`` that were not answered from the browser's own cache."""

    bytes: int
    requests: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--page", default=f"http://localhost:{load().webgpu_port}", help="default: the running stack's")
    page = parser.parse_args().page
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        first, second = visits(browser, page)
        plain, _ = visits(browser, page, encoding="identity")
        browser.close()
    table = Table("visit", "bytes", "requests", "limit", title=f"{page}, as Chromium counts")
    table.add_row("first", f"{first.bytes:,}", str(first.requests), f"{FIRST_LIMIT:,}")
    table.add_row("second", f"{second.bytes:,}", str(second.requests), f"{SECOND_LIMIT:,}")
    table.add_row("first, nothing compressed", f"{plain.bytes:,}", str(plain.requests), "")
    Console().print(table)
    return int(first.bytes > FIRST_LIMIT or second.bytes > SECOND_LIMIT)


def visits(browser: Browser, page: str, encoding: str | None = None) -> tuple[Visit, Visit]:
    """Two visits of one user, the page closed in between, the browser's cache kept.

    Args:
        encoding: in place of the browser's own Accept-Encoding.
    """
    context = browser.new_context(extra_http_headers={"Accept-Encoding": encoding} if encoding else {})
    both = _visit(context, page), _visit(context, page)
    context.close()
    return both


def _visit(context: BrowserContext, address: str) -> Visit:
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    seen = Visit(0, 0)
    cached: set[str] = set()

    def on_end(event: dict[str, object]) -> None:
        size = int(str(event["encodedDataLength"]).partition(".")[0])
        if size and event["requestId"] not in cached:
            seen.bytes += size
            seen.requests += 1

    wire.on("Network.requestServedFromCache", lambda event: cached.add(event["requestId"]))
    wire.on("Network.loadingFinished", on_end)
    page.goto(address)
    expect(page.locator("#measure")).to_be_enabled(timeout=READY_MS)
    page.close()
    return seen


if __name__ == "__main__":
    sys.exit(main())
