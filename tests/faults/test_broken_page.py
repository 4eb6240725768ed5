"""The WebGPU demo's files are damaged on their way to the browser, in whichever form it gets them, or lose a header."""

from __future__ import annotations

import gzip

import httpx
import pytest

from faults.links import Links
from faults.named import Probed, as_root
from stack.settings import ROOT, Settings
from stack.tools.process import run

pytestmark = as_root

ANSWER = "answer.webgpu-static"
COEP = "add_header Cross-Origin-Embedder-Policy require-corp always;"  # (the other of the two is the gateway's)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("/site/*.onnx*", gzip.compress(b"another model"), id="another file"),
        pytest.param("/site/*.onnx.br", b"cut off in the mid", id="as browsers get it"),
        pytest.param("/site/*.onnx.gz", b"cut off in the mid", id="as others get it", marks=pytest.mark.full),
        pytest.param("/site/*.onnx", b"cut off in the mid", id="as it is", marks=pytest.mark.full),
        pytest.param("/site/*.wasm.br", b"", id="an empty one", marks=pytest.mark.full),
        pytest.param("/site/*/main.js*", None, id="one that can not be read", marks=pytest.mark.full),
        pytest.param("/site/index.html*", b"<h1>Welcome to nginx!</h1>", id="another page", marks=pytest.mark.full),
        pytest.param("/site/files.json*", b"{}", id="the list itself", marks=pytest.mark.full),
    ],
)
async def test_a_damaged_file(probed: Probed, links: Links, name: str, content: bytes | None) -> None:
    with links.file_is("webgpu-static", name, content):
        await probed.fails(ANSWER, "webgpu-file-corrupt")


@pytest.mark.full
async def test_half_of_a_file(probed: Probed, links: Links, settings: Settings) -> None:
    page = f"http://127.0.0.1:{settings.webgpu_port}"
    (engine,) = [path for path in httpx.get(f"{page}/files.json").json() if path.endswith(".mjs") and "simd" in path]
    with httpx.stream("GET", page + engine, headers={"Accept-Encoding": "br"}) as answer:
        assert answer.headers["content-encoding"] == "br"
        whole = b"".join(answer.iter_raw())
    with links.file_is("webgpu-static", f"/site{engine}.br", whole[: len(whole) // 2]):
        await probed.fails(ANSWER, "webgpu-file-corrupt")


@pytest.mark.full
@pytest.mark.parametrize(
    "replaced",
    [
        [(COEP, "")],
        [("Cross-Origin-Embedder-Policy require-corp", "Cross-Origin-Embedder-Policy unsafe-none")],
        [("'wasm-unsafe-eval'", "")],
        [("text/javascript js mjs;", "text/javascript js;")],
        [("application/wasm wasm;", "")],
    ],
    ids=["no COEP", "another COEP", "no WebAssembly", "the type of modules", "the type of WebAssembly"],
)
async def test_a_header_is_missing(probed: Probed, links: Links, replaced: list[tuple[str, str]]) -> None:
    with links.demo_served_with(*replaced):
        await probed.fails(ANSWER, "webgpu-headers-missing")


@pytest.mark.full
async def test_the_fix_for_a_header_works_as_it_is_pasted(probed: Probed, links: Links) -> None:
    with links.demo_served_with((COEP, "")):
        broken = await probed.fails(ANSWER, "webgpu-headers-missing")
        assert broken.fix
        assert run(["sh", "-c", broken.fix], cwd=ROOT, timeout=300).code == 0
        await probed.is_green()
