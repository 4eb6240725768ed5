"""Asks the WebGPU demo what its page asks: every file, unchanged and with its headers, and Foundry Local's answer."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from stack.probes.report import Outcome, Status, failed, ok
from stack.probes.upstream import Answer

BEGIN_SECONDS = 8.0  # the first and small one
FILE_SECONDS = 20.0
FILES = "/files.json"  # made with the image: every file and its SHA-256
COMPRESSED = "/compressed.json"  # the same of the file as it is sent, by encoding
ENCODINGS = ("br", "gzip")  # what browsers ask for; they get a file as it is only where they take none of these
LARGE = ".wasm"  # 27 MB, in a form that no browser asks for
AT_ONCE = 6  # as many connections as browsers make

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
    """One file as it came over the wire.

    Args:
        sha256: of the bytes as they were sent, compressed or not.
    """

    path: str
    status: int
    headers: Mapping[str, str]
    sha256: str

    @property
    def encoding(self) -> str:
        """How it was compressed: br, gzip or not at all."""
        return self.headers.get("content-encoding", "")


async def page_is_whole(http: httpx.AsyncClient, wanted: Callable[[str], bool] = lambda _: True) -> Outcome:
    """Every file that the image was made with comes as it was made, in each form, and as its type.

    Args:
        http: whose base address is the page's.
        wanted: picks the files (by path, such as ``/page/main.js``) where not all shall be looked at.
    """
    answer = Answer.of(await http.get(FILES, timeout=BEGIN_SECONDS))
    if answer.status == 503:
        return failed("front-end-down", f"the gateway says: {answer.in_short}")
    listed = answer.json
    if not isinstance(listed, dict) or "/index.html" not in listed:
        return failed("webgpu-file-corrupt", f"{FILES} is not the list of the page's files: {answer.in_short}")
    compressed = Answer.of(await http.get(COMPRESSED, timeout=BEGIN_SECONDS)).json
    if not isinstance(compressed, dict) or compressed.keys() != listed.keys():
        return failed("webgpu-file-corrupt", f"{COMPRESSED} is not the list of the files' compressed forms")
    paths = ("/", *filter(wanted, listed))
    forms = [(path, form) for path in paths for form in (*ENCODINGS, *(() if path.endswith(LARGE) else ("identity",)))]
    served = await _all_fetched(http, forms)
    return judge(_with_index(listed), served, _with_index(compressed))


async def page_is_as_its_sources(http: httpx.AsyncClient, sources: Path) -> Outcome:
    """Development mode: what comes is what lies in the folder now, whatever was edited since the image was made.

    Args:
        http: whose base address is the page's.
        sources: the folder as the engine knows it, which with Docker Desktop is not this machine's name for it.
    """
    index = Answer.of(await http.get("/", timeout=BEGIN_SECONDS))
    if index.status == 503:
        return failed("front-end-down", f"the gateway says: {index.in_short}")
    named = re.findall(r'(?:src|href)="(/[^"]+)"', index.body)
    if not named or "{{" in index.body:
        return failed("webgpu-file-corrupt", f"index.html names no files, or has blanks: {index.in_short}")
    listed = {
        f"/page/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest()
        for file in (sorted(sources.iterdir()) if sources.is_dir() else ())
        if file.is_file() and not file.name.startswith(".") and file.name != "index.html"
    }
    served = await _all_fetched(http, [(path, "identity") for path in ("/", *{**dict.fromkeys(named), **listed})])
    outcome = judge({each.path: each.sha256 for each in served} | listed, served, made_as=f"as in {sources}")
    return outcome if outcome.status is Status.FAILED else ok(f"development mode: {outcome.evidence}")


def judge(
    listed: Mapping[str, Any],
    served: Iterable[Served],
    compressed: Mapping[str, Mapping[str, Any]] | None = None,
    made_as: str = "unchanged",
) -> Outcome:
    """Whether what came is what was made.

    Args:
        listed: path and SHA-256 of each file.
        compressed: path, and SHA-256 by encoding, of what is sent compressed.
        made_as: what a right hash means, in words.
    """
    seen = set()
    for each in served:
        if each.status != 200:
            return failed("webgpu-file-corrupt", f"{each.path}: status {each.status}")
        made = (compressed or {}).get(each.path, {}).get(each.encoding) if each.encoding else listed[each.path]
        if each.sha256 != made:
            form = f", compressed as {each.encoding}," if each.encoding else ""
            return failed("webgpu-file-corrupt", f"{each.path}{form} is not {made_as}")
        for name, needed in HEADERS.items():
            if needed not in each.headers.get(name, ""):
                return failed("webgpu-headers-missing", f"{each.path}: {name}: {each.headers.get(name) or 'missing'}")
        ending = re.sub(r"^.*[./]", "", each.path) or "html"
        if not each.headers.get("content-type", "").startswith(TYPES.get(ending, "")):
            return failed("webgpu-headers-missing", f"{each.path}: content-type: {each.headers.get('content-type')}")
        seen.add(each.path)
    return ok(f"{len(seen)} files, {made_as} and with their headers")


def _with_index(by_path: Mapping[str, Any]) -> dict[str, Any]:
    """The page's own address stands for its first file."""
    return {**by_path, "/": by_path["/index.html"]}


async def _all_fetched(http: httpx.AsyncClient, forms: Iterable[tuple[str, str]]) -> list[Served]:
    free = asyncio.Semaphore(AT_ONCE)

    async def fetched(path: str, encoding: str) -> Served:
        digest = hashlib.sha256()
        async with (
            free,
            http.stream("GET", path, headers={"Accept-Encoding": encoding}, timeout=FILE_SECONDS) as response,
        ):
            async for part in response.aiter_raw():
                digest.update(part)
            return Served(path, response.status_code, response.headers, digest.hexdigest())

    return await asyncio.gather(*(fetched(path, encoding) for path, encoding in forms))
