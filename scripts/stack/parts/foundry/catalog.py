"""Foundry Local's catalog: whether the real one answers, and a small one on loopback for the embedded model.

The web service of foundry-local-sdk 2.2.1 knows only models of its catalog, so the embedded model has one of its own:
it answers the one question that the runtime asks (POST /asset-gallery/v1.0/models), and with that one model only.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from stack.parts.model import EmbeddedModel
from stack.tools.errors import StackError

PATH = "/asset-gallery/v1.0/models"
MICROSOFTS = f"https://api.catalog.azureml.ms{PATH}"
CONNECT_SECONDS = 5.0


def host_answers(catalog_url: str) -> bool:
    """Whether anything speaks HTTP at the catalog's address; it spares the runtime's own four tries when offline.

    Args:
        catalog_url: the CATALOG_URL knob; empty for Microsoft's.

    Raises:
        StackError: ``bad-env-file``, the address does not end as Foundry Local requires; exit code 2.
    """
    if catalog_url and not catalog_url.rstrip("/").endswith(PATH):
        raise StackError(
            f"CATALOG_URL must end in {PATH}: {catalog_url!r} does not.",
            fix="Correct it in .env, or leave it empty for Microsoft's catalog.",
            cause="bad-env-file",
            exit_code=2,
        )
    try:
        httpx.get(catalog_url or MICROSOFTS, timeout=CONNECT_SECONDS)
    except (httpx.HTTPError, OSError):
        return False
    return True


@contextmanager
def serve_embedded(model: EmbeddedModel) -> Iterator[str]:
    """Answer as the catalog of this one model, on a free loopback port, for as long as the block runs.

    Yields:
        The catalog's address for Foundry Local's configuration.
    """
    body = json.dumps({"totalCount": 1, "summaries": [_entry(model)]}).encode()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path != PATH:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class calls it so)
            """Nothing: the runtime asks often, and always the same."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True, name="catalog").start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{PATH}"
        finally:
            server.shutdown()


def _entry(model: EmbeddedModel) -> dict[str, Any]:
    asset = "azureml://registries/azureml/models"
    return {
        "assetId": f"{asset}/{model.name}/versions/{model.version}",
        "name": model.name,
        "version": model.version,
        "displayName": model.name,
        "publisher": model.publisher,
        "license": model.licence,
        "inferenceTasks": ["chat-completion"],
        "deploymentOptions": ["Foundry Local on Devices"],
        "modelCapabilities": [],
        "modelLimits": {
            "textLimits": {"inputContextWindow": model.context_length, "maxOutputTokens": model.max_output_tokens},
            "supportedInputModalities": ["text"],
            "supportedOutputModalities": ["text"],
        },
        "variantInformation": {
            "parents": [{"assetId": f"{asset}/{model.alias}/versions/1"}],
            "variantMetadata": {
                "modelType": "ONNX",
                "device": "cpu",
                "executionProvider": "CPUExecutionProvider",
                "fileSizeBytes": model.size_bytes,
            },
        },
        "createdTime": "2025-02-07T07:02:44Z",
    }
