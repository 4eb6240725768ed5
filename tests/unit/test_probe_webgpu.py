"""What the probe makes of the demo's files: whole, damaged, or without what a browser needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from stack.probes.report import Status
from stack.probes.webgpu import HEADERS, Served, judge

LISTED = {"/": "aa", "/app-1/main.js": "bb", "/app-1/mnist.onnx": "cc"}
TYPES = {"/": "text/html; charset=utf-8", "/app-1/main.js": "text/javascript", "/app-1/mnist.onnx": "application/x"}


def served() -> list[Served]:
    headers = {name: f"more; {value}; more" for name, value in HEADERS.items()}
    return [Served(path, 200, headers | {"content-type": TYPES[path]}, sha256) for path, sha256 in LISTED.items()]


def test_a_whole_page() -> None:
    outcome = judge(LISTED, served())
    assert (outcome.status, outcome.evidence) == (Status.OK, "3 files, unchanged and with their headers")


def without(name: str) -> Callable[[Served], Served]:
    return lambda each: replace(each, headers={key: value for key, value in each.headers.items() if key != name})


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda each: replace(each, status=404), "webgpu-file-corrupt"),
        (lambda each: replace(each, sha256="dd"), "webgpu-file-corrupt"),
        *((without(name), "webgpu-headers-missing") for name in HEADERS),
    ],
)
def test_one_wrong_file_is_enough(which: int, change: Callable[[Served], Served], cause: str) -> None:
    files = served()
    files[which] = change(files[which])
    outcome = judge(LISTED, files)
    assert (outcome.status, outcome.cause) == (Status.FAILED, cause)
    assert files[which].path in outcome.evidence


@pytest.mark.parametrize("which", [0, 1])
def test_a_type_that_no_browser_runs(which: int) -> None:
    files = served()
    files[which] = replace(files[which], headers={**files[which].headers, "content-type": "text/plain"})
    assert judge(LISTED, files).cause == "webgpu-headers-missing"


def compressed(each: Served, encoding: str, sha256: str) -> Served:
    return replace(each, headers={**each.headers, "content-encoding": encoding}, sha256=sha256)


@pytest.mark.parametrize(
    ("encoding", "sha256", "cause"),
    [
        ("br", "b1", None),
        ("gzip", "b2", None),
        ("br", "b2", "webgpu-file-corrupt"),
        ("br", "bb", "webgpu-file-corrupt"),
        ("zstd", "b1", "webgpu-file-corrupt"),
    ],
)
def test_what_browsers_get_is_compressed(encoding: str, sha256: str, cause: str | None) -> None:
    files = served()
    files[1] = compressed(files[1], encoding, sha256)
    outcome = judge(LISTED, files, {"/app-1/main.js": {"br": "b1", "gzip": "b2"}})
    assert outcome.cause == cause
