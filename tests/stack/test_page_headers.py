"""What the running pages say to a browser about themselves, and to pages of other origins."""

from __future__ import annotations

import httpx
import pytest

from fakes import page_headers
from stack.settings import Settings

PATHS = [
    ("chainlit_port", "/"),
    ("chainlit_port", "/public/look.css"),
    ("chainlit_port", "/project/settings"),
    ("open_webui_port", "/"),
    ("open_webui_port", "/api/config"),
    ("open_webui_port", "/api/models"),
    ("open_webui_port", "/static/favicon.png"),
    ("webgpu_port", "/"),
    ("webgpu_port", "/nothing-here"),
    ("webgpu_port", "/v1/models"),
    ("monitor_port", "/healthz"),
    ("monitor_port", "/nothing-here"),
]


@pytest.mark.parametrize(("port", "path"), PATHS)
def test_an_answer_is_for_its_own_page(settings: Settings, port: str, path: str) -> None:
    own = f"http://localhost:{getattr(settings, port)}"
    for headers in ({}, {"Origin": own}):
        answer = httpx.get(f"{own}{path}", headers=headers, trust_env=False, timeout=30)
        assert answer.status_code < 500
        page_headers.assert_safe(answer)


@pytest.mark.parametrize(("port", "path"), PATHS)
def test_no_other_origin_is_let_in(settings: Settings, port: str, path: str) -> None:
    for method in ("GET", "OPTIONS"):
        asked = {"Origin": "https://foreign.example", "Access-Control-Request-Method": "POST"}
        address = f"http://localhost:{getattr(settings, port)}{path}"
        answer = httpx.request(method, address, headers=asked, trust_env=False, timeout=30)
        assert answer.status_code == 403
        page_headers.assert_safe(answer)


def test_the_relay_lets_no_origin_in(settings: Settings) -> None:
    relay = f"http://127.0.0.1:{settings.foundry_port}"
    for origin in ("https://foreign.example", f"http://localhost:{settings.chainlit_port}", "null"):
        for method in ("GET", "OPTIONS"):
            answer = httpx.request(method, f"{relay}/v1/models", headers={"Origin": origin}, trust_env=False)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin-not-allowed")
            assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in httpx.get(f"{relay}/v1/models", trust_env=False).headers
