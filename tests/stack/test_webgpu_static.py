"""The WebGPU demo over the wire: its files, their hashes, headers and encodings, and what its origin lets pass."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable

import brotli
import httpx
import pytest
from docker.models.containers import Container

from fakes.mnist import MODEL
from fakes.spare_stack import Spare
from stack.settings import Settings

REPOSITORY_SHA256 = (MODEL.parent / "mnist.onnx.sha256").read_text(encoding="ascii").split()[0]
DECODERS: dict[str, Callable[[bytes], bytes]] = {"": bytes, "gzip": gzip.decompress, "br": brotli.decompress}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".bin": "application/octet-stream",
}


@pytest.fixture(scope="module")
def page(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.webgpu_port}"


@pytest.fixture(scope="module")
def files(page: str) -> dict[str, str]:
    """Path and SHA-256 of each file, as the build wrote them down."""
    listed: dict[str, str] = httpx.get(f"{page}/files.json", trust_env=False).raise_for_status().json()
    return listed


def get(url: str, encoding: str = "") -> tuple[httpx.Response, bytes]:
    """The answer, and the body's bytes as they came."""
    with httpx.stream("GET", url, headers={"Accept-Encoding": encoding or "identity"}, trust_env=False) as answer:
        return answer, b"".join(answer.iter_raw())


def ending(path: str) -> str:
    return path[path.rindex(".") :]


# --- files ---


@pytest.mark.parametrize("encoding", DECODERS)
def test_every_file_comes_as_it_was_made(page: str, files: dict[str, str], encoding: str) -> None:
    assert len(files) > 20
    for path, sha256 in files.items():
        answer, body = get(page + path, encoding)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == TYPES[ending(path)], path
        assert answer.headers.get("content-encoding", "") == encoding, path
        assert "accept-encoding" in answer.headers["vary"].lower(), path
        assert hashlib.sha256(DECODERS[encoding](body)).hexdigest() == sha256, path


def test_the_model_is_the_repository_s_and_the_page_checks_for_it(page: str, files: dict[str, str]) -> None:
    (model,) = [sha256 for path, sha256 in files.items() if path.endswith("/mnist.onnx")]
    assert model == REPOSITORY_SHA256
    assert f'data-model-sha256="{REPOSITORY_SHA256}"' in httpx.get(page, trust_env=False).text


def test_what_the_page_names_is_there_and_from_here(page: str, files: dict[str, str]) -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', httpx.get(page, trust_env=False).text)
    assert len(named) >= 4
    assert set(named) <= files.keys()


def test_versioned_files_are_kept_for_ever_and_the_rest_is_asked_for_again(page: str, files: dict[str, str]) -> None:
    for path in files:
        kept = httpx.head(page + path, trust_env=False).headers["cache-control"]
        if path.count("/") == 2:
            assert kept == "public, max-age=31536000, immutable", path
            assert re.match(r"/(app-[0-9a-f]{12}|onnxruntime-web-1\.30\.0)/", path)
        else:
            assert kept == "no-cache", path
    first = httpx.get(page, trust_env=False)
    again = httpx.get(page, headers={"If-None-Match": first.headers["etag"]}, trust_env=False)
    assert (again.status_code, again.content) == (304, b"")


def test_the_policy_lets_the_page_run_webassembly_and_ask_its_own_origin_only(page: str, files: dict[str, str]) -> None:
    for path in ["/", "/nothing-here", *files]:
        headers = httpx.head(page + path, trust_env=False).headers
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
        assert all("unsafe" not in value for name, value in policy.items() if name != "script-src")
        assert not re.search(r"https?:|\*", headers["content-security-policy"])
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == "require-corp"
        assert headers.get_list("x-content-type-options") == ["nosniff"]


def test_health_is_json_and_names_what_is_served(page: str, files: dict[str, str]) -> None:
    answer = httpx.get(f"{page}/healthz", trust_env=False)
    assert answer.headers["content-type"].startswith("application/json")
    health = answer.json()
    assert health["status"] == "ok"
    assert f"/{health['app']}/main.js" in files


def test_the_container_s_own_check_fails_without_the_site(container: Callable[[str], Container]) -> None:
    demo = container("webgpu-static")
    assert demo.exec_run("/usr/local/bin/healthcheck").exit_code == 0
    other_answer = "sed s,/healthz,/index.html, /usr/local/bin/healthcheck | bash"
    assert demo.exec_run(["bash", "-c", other_answer]).exit_code != 0


@pytest.mark.parametrize("path", ["/nothing", "/etc/passwd", "/app-", "/app-000000000000/main.js", "/.npmrc"])
def test_other_paths_are_not_found(page: str, path: str) -> None:
    answer = httpx.get(page + path, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not-found")


# --- Foundry Local through the page's own origin ---


def test_a_real_answer_streams_through_the_page_s_origin(page: str) -> None:
    (model, *_) = httpx.get(f"{page}/models/loaded", trust_env=False).json()
    assert model in [each["id"] for each in httpx.get(f"{page}/v1/models", trust_env=False).json()["data"]]
    question = {"model": model, "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    options = {"max_tokens": 24, "temperature": 0, "stream": True}
    address, events = f"{page}/v1/chat/completions", []
    with httpx.stream("POST", address, json=question | options, timeout=90, trust_env=False) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [line.removeprefix("data:").strip() for line in answer.iter_lines() if line.startswith("data:")]
    assert events[-1] == "[DONE]"
    said = [json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events[:-1]]
    assert "Paris" in "".join(said)
    assert len([each for each in said if each]) > 2


@pytest.mark.parametrize(
    "call",
    [
        "POST /shutdown",
        "POST /v1/responses",
        "POST /v1/embeddings",
        "POST /v1/models",
        "POST /",
        "DELETE /v1/responses/x",
        "GET /v1/responses",
        "GET /v1/models/x",
        "GET /v1/models?x",
        "GET /v1/chat/completions",
        "GET /models/load/phi-4-mini",
        "GET /models/unload/phi-4-mini",
        "GET /models/loaded/",
        "OPTIONS /v1/chat/completions",
        "PUT /index.html",
    ],
)
def test_nothing_else_passes(page: str, call: str) -> None:
    method, _, path = call.partition(" ")
    answer = httpx.request(method, page + path, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not-allowed")


@pytest.mark.parametrize("path", ["/", "/v1/models", "/models/loaded"])
def test_foreign_pages_and_names_are_refused(page: str, path: str) -> None:
    foreign = httpx.get(page + path, headers={"Origin": "https://foreign.example"}, trust_env=False)
    assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, "origin-not-allowed")
    rebound = httpx.get(page + path, headers={"Host": "rebound.example"}, trust_env=False)
    assert (rebound.status_code, rebound.json()["error"]["code"]) == (421, "host-not-allowed")


# --- a gateway alone, with a stand-in for the relay ---


@pytest.fixture
def spare_page(spare: Spare) -> str:
    return f"http://127.0.0.1:{spare.settings.webgpu_port}"


def test_without_the_demo_a_page_says_what_is_missing(spare_page: str) -> None:
    answer = httpx.get(spare_page, headers={"Accept": "text/html"}, trust_env=False)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "demo is not there yet" in answer.text
    answer = httpx.get(spare_page, headers={"Accept": "application/json"}, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "webgpu-static-away")


def test_the_token_is_the_gateway_s_whatever_the_page_sends(spare: Spare, spare_page: str) -> None:
    sent = {"X-Relay-Token": "mine", "Cookie": "a=b", "Origin": spare_page}
    answer = httpx.get(f"{spare_page}/v1/models", headers=sent, trust_env=False)
    assert answer.json() == {"asked": "GET /v1/models"}
    arrived = spare.relay.last()
    assert arrived.header("x-relay-token") == [spare.token()]
    assert arrived.header("cookie") == []
    assert arrived.header("origin") == []


def test_without_the_relay_the_page_is_told(spare: Spare, spare_page: str) -> None:
    spare.relay.stop()
    try:
        answer = httpx.get(f"{spare_page}/models/loaded", trust_env=False)
    finally:
        spare.relay.start()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "relay-down")
    assert answer.headers["retry-after"] == "5"
