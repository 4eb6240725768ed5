"""A browser for the tests of the pages: Debian's Chromium, kept from talking to anybody else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from fakes.open_webui import Person, administrator, second_person
from stack import settings

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--headless=new",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    # Chromium itself would ask its makers' servers, whatever page it shows.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
]
ANSWER_SECONDS = 60

Look = Callable[[str], None]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Has WebGPU but no graphics processor."""
    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def browser_with_gpu(playwright: Playwright) -> Iterator[Browser]:
    """The same with SwiftShader, a graphics processor in software that comes with Chromium."""
    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, "--enable-unsafe-webgpu"])
    yield chromium
    chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1000, "height": 720})
    page.set_default_timeout(ANSWER_SECONDS * 1000)
    yield page
    page.close()


@pytest.fixture(scope="session")
def chat_address() -> str:
    return f"http://localhost:{settings.load().chainlit_port}"


@pytest.fixture(scope="session")
def open_webui_address() -> str:
    return f"http://localhost:{settings.load().open_webui_port}"


@pytest.fixture(scope="session")
def demo_address() -> str:
    return f"http://localhost:{settings.load().webgpu_port}"


@pytest.fixture(scope="session")
def admin() -> Person:
    """Open WebUI's administrator."""
    return administrator(settings.load())


@pytest.fixture
def somebody(admin: Person) -> Iterator[Person]:
    """Somebody else who may sign in to Open WebUI."""
    with second_person(admin) as person:
        yield person


@pytest.fixture
def screenshot(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Page, str], None]:
    """Take a screenshot of the whole page; they land in the folder named by SCREENSHOTS, or in the test's own."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str) -> None:
        page.screenshot(path=folder / f"{request.node.originalname}-{name}.png", full_page=True)

    return take


@pytest.fixture
def look(page: Page, request: pytest.FixtureRequest, tmp_path: Path) -> Look:
    """Take a screenshot: ``look("stopped")``. They land in the folder named by SCREENSHOTS, or in the test's own."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def take(name: str) -> None:
        page.screenshot(path=folder / f"{request.node.name}-{name}.png")

    return take
