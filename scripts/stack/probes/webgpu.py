"""Asks the WebGPU demo what its page asks: every file, unchanged and with its headers, and Foundry Local's answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from stack.parts.development import sources_of
from stack.probes.model import model_to_ask, why_unanswered
from stack.probes.report import Outcome, Status, failed, ok
from stack.probes.running import GATEWAY, WEBGPU_STATIC, Running
from stack.probes.upstream import Answer, some_token

BEGIN_SECONDS = 8.0  # the first and small one
FILE_SECONDS = 20.0
FILES = "/files.json"  # made with the image: every file and its SHA-256

# What a browser refuses to run the page without, or what keeps it from asking anybody else.
HEADERS = {
    "content-security-policy": "script-src 'self' 'wasm-unsafe-eval'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "x-content-type-options": "nosniff",
}
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "mjs": "text/javascript"}
TYPES |= {"wasm": "application/wasm", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class Served:
    """One file as it came over the wire, decompressed."""

    path: str
    status: int
    headers: Mapping[str, str]
    sha256: str


async def demo_answers(running: Running) -> Outcome:
    """The page is whole, and a real token comes through its own address."""
    page = running.webgpu_page
    container = await running.container(WEBGPU_STATIC)
    sources = sources_of(container.attrs) if container else None
    try:
        if sources:
            whole = await page_is_as_its_sources(running.http, page, sources)
        else:
            whole = await page_is_whole(running.http, page)
    except httpx.ConnectError:
        return failed("page-unreachable", f"nothing listens on {page}")
    except httpx.DecodingError as damaged:
        return failed("page-damaged", f"{damaged.request.url.path} can't be unpacked: {damaged}", **_names(running))
    except httpx.TimeoutException:
        return failed("front-end-down", f"{page} takes the connection and does not answer", **_names(running))
    token = whole if whole.status is Status.FAILED else await _token_through(running, page)
    if token.status is Status.FAILED:
        return replace(token, names=_names(running) | token.names)
    return ok(f"{whole.evidence}; through it, {token.evidence}")


async def _token_through(running: Running, page: str) -> Outcome:
    model = await model_to_ask(running, page)
    if isinstance(model, Outcome):
        return model
    try:
        return await some_token(running.http, page, model)
    except httpx.HTTPError as strange:
        return await why_unanswered(running, strange, f"asked {page} for a token")


async def page_is_whole(http: httpx.AsyncClient, page: str) -> Outcome:
    """Every file that the image was made with comes as it was made, and as what a browser takes it for."""
    answer = Answer.of(await http.get(page + FILES, timeout=BEGIN_SECONDS))
    if answer.status == 503:
        return failed("front-end-down", f"the gateway says: {answer.in_short}")
    listed = answer.json
    if not isinstance(listed, dict) or "/index.html" not in listed:
        return failed("page-damaged", f"{FILES} is not the list of the page's files: {answer.in_short}")
    served = [await _fetched(http, page, path) for path in ("/", *listed)]
    return judge(listed | {"/": listed["/index.html"]}, served)


async def page_is_as_its_sources(http: httpx.AsyncClient, page: str, sources: Path) -> Outcome:
    """Development mode: what comes is what lies in the folder now, whatever was edited since the image was made.

    Args:
        sources: the folder as the engine knows it, which with Docker Desktop is not this machine's name for it.
    """
    index = Answer.of(await http.get(page, timeout=BEGIN_SECONDS))
    if index.status == 503:
        return failed("front-end-down", f"the gateway says: {index.in_short}")
    named = re.findall(r'(?:src|href)="(/[^"]+)"', index.body)
    if not named or "{{" in index.body:
        return failed("page-damaged", f"index.html names no files, or has blanks: {index.in_short}")
    listed = {
        f"/page/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest()
        for file in (sorted(sources.iterdir()) if sources.is_dir() else ())
        if file.is_file() and not file.name.startswith(".") and file.name != "index.html"
    }
    served = [await _fetched(http, page, path) for path in ("/", *{**dict.fromkeys(named), **listed})]
    outcome = judge({each.path: each.sha256 for each in served} | listed, served, made_as=f"as in {sources}")
    return outcome if outcome.status is Status.FAILED else ok(f"development mode: {outcome.evidence}")


def judge(listed: Mapping[str, Any], served: Iterable[Served], made_as: str = "unchanged") -> Outcome:
    """Whether what came is what was made.

    Args:
        listed: path and SHA-256 of each file.
        made_as: what a right hash means, in words.
    """
    count = 0
    for each in served:
        if each.status != 200:
            return failed("page-damaged", f"{each.path}: status {each.status}")
        if each.sha256 != listed[each.path]:
            return failed("page-damaged", f"{each.path} is not {made_as}")
        for name, needed in HEADERS.items():
            if needed not in each.headers.get(name, ""):
                return failed("page-headers-wrong", f"{each.path}: {name}: {each.headers.get(name) or 'missing'}")
        ending = re.sub(r"^.*[./]", "", each.path) or "html"
        if not each.headers.get("content-type", "").startswith(TYPES.get(ending, "")):
            return failed("page-headers-wrong", f"{each.path}: content-type: {each.headers.get('content-type')}")
        count += 1
    return ok(f"{count} files, {made_as} and with their headers")


async def _fetched(http: httpx.AsyncClient, page: str, path: str) -> Served:
    digest = hashlib.sha256()
    async with http.stream("GET", page + path, timeout=FILE_SECONDS) as response:
        async for part in response.aiter_bytes():
            digest.update(part)
        return Served(path, response.status_code, response.headers, digest.hexdigest())


def _names(running: Running) -> dict[str, str]:
    return {
        "container": running.name_of(WEBGPU_STATIC),
        "gateway": running.name_of(GATEWAY),
        "log": str(running.foundry_log),
        "port": str(running.settings.foundry_port),
    }
