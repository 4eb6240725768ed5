"""A stand-in for Microsoft's side of Foundry Local: catalog, model registry and blob storage, as SDK 2.2.1 asks them.

What is real in a test with it: the SDK, its catalog query, its choice of variants, its download with parallel ranges,
its model cache. What is stood in: the three servers. The registry's address is fixed in the runtime
(https://REGION.api.azureml.ms), so it is reached as behind a TLS-inspecting proxy: HTTPS_PROXY and SSL_CERT_FILE lead
to a proxy of ours with a certificate of ours. Not shown by it: that Microsoft's servers still answer like this.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import psutil

from stack.tools.process import run

PATH = "/asset-gallery/v1.0/models"
ASSET = "azureml://registries/azureml/models"
PROVIDERS = {"cpu": "CPUExecutionProvider", "gpu": "WebGpuExecutionProvider", "npu": "QNNExecutionProvider"}
DATE = "Wed, 01 Jan 2025 00:00:00 GMT"
REGISTRY = ".api.azureml.ms"


@dataclass(frozen=True)
class Offered:
    """A variant in the stand-in catalog; ``files`` are what its download brings."""

    alias: str
    name: str
    version: str = "1"
    device: str = "cpu"
    size_bytes: int = 1_000_000
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def entry(self) -> dict[str, Any]:
        return {
            "assetId": f"{ASSET}/{self.name}/versions/{self.version}",
            "name": self.name,
            "version": self.version,
            "displayName": self.name,
            "publisher": "Microsoft",
            "license": "MIT",
            "inferenceTasks": ["chat-completion"],
            "deploymentOptions": ["Foundry Local on Devices"],
            "modelCapabilities": [],
            "modelLimits": {
                "textLimits": {"inputContextWindow": 8192, "maxOutputTokens": 2048},
                "supportedInputModalities": ["text"],
                "supportedOutputModalities": ["text"],
            },
            "variantInformation": {
                "parents": [{"assetId": f"{ASSET}/{self.alias}/versions/1"}],
                "variantMetadata": {
                    "modelType": "ONNX",
                    "device": self.device,
                    "executionProvider": PROVIDERS[self.device],
                    "fileSizeBytes": self.size_bytes,
                },
            },
            "createdTime": "2025-02-07T07:02:44Z",
        }


class Cloud:
    """The running stand-in. Blobs stall once ``allowance`` bytes are served, until it is raised."""

    def __init__(self, offered: list[Offered]) -> None:
        self.offered = offered
        self.catalog_url = ""
        self.environment: dict[str, str] = {}
        self.blobs_url = ""
        self.served = 0
        self.allowance: float = float("inf")
        self.gate = threading.Condition()
        self.tunnels: list[str] = []
        self.tunnelled_by: list[str] = []
        """The command lines of who asked for them."""

    def allow(self, size: float) -> None:
        """Let ``size`` bytes through in all."""
        with self.gate:
            self.allowance = size
            self.gate.notify_all()

    def take(self, size: int) -> None:
        """Count ``size`` bytes, waiting while they are not allowed."""
        with self.gate:
            self.gate.wait_for(lambda: self.served + size <= self.allowance, timeout=60)
            self.served += size
            self.gate.notify_all()

    def wait_until_served(self, size: int) -> bool:
        """Wait up to a minute until so many bytes have gone out."""
        with self.gate:
            return self.gate.wait_for(lambda: self.served >= size, timeout=60)

    def model(self, name: str) -> Offered:
        """The variant of that name."""
        return next(model for model in self.offered if model.name == name)


@contextmanager
def running_cloud(offered: list[Offered], folder: Path) -> Iterator[Cloud]:
    """Serve the stand-in on free loopback ports; ``folder`` takes its certificates."""
    cloud = Cloud(offered)
    authority, certificate, key = _certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ExitStack() as stack:
        catalog = stack.enter_context(_served(_catalog_handler(cloud)))
        blobs = stack.enter_context(_served(_blob_handler(cloud)))
        proxy = stack.enter_context(_served(_proxy_handler(cloud, context)))
        cloud.catalog_url = f"{catalog}{PATH}"
        cloud.blobs_url = blobs
        cloud.environment = {"HTTPS_PROXY": proxy, "SSL_CERT_FILE": str(authority)}
        yield cloud
        cloud.allow(float("inf"))


@contextmanager
def _served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class calls it so)
        pass


def _catalog_handler(cloud: Cloud) -> type[_Quiet]:
    class Catalog(_Quiet):
        def do_GET(self) -> None:
            self.answer(405, b"", "text/plain")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path != PATH:
                self.answer(404, b"", "text/plain")
                return
            entries = [model.entry for model in cloud.offered]
            body = json.dumps({"totalCount": len(entries), "summaries": entries}).encode()
            self.answer(200, body, "application/json")

    return Catalog


def _proxy_handler(cloud: Cloud, context: ssl.SSLContext) -> type[_Quiet]:
    class Proxy(_Quiet):
        def do_CONNECT(self) -> None:
            host = self.path.partition(":")[0]
            cloud.tunnels.append(host)
            cloud.tunnelled_by.append(_who_has(self.client_address[1]))
            self.close_connection = True
            if not host.endswith(REGISTRY):
                self.answer(403, b"", "text/plain")
                return
            self.send_response(200)
            self.end_headers()
            with context.wrap_socket(self.connection, server_side=True) as inside:
                request = inside.recv(65536).decode()
                asset = parse_qs(urlsplit(request.split(" ")[1]).query)["assetId"][0]
                name = asset.removeprefix(f"{ASSET}/").split("/")[0]
                body = json.dumps(
                    {"blobSasUri": f"{cloud.blobs_url}/account/{name}?sv=2021&sr=c&sp=rl&sig=none"}
                ).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                inside.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)

    return Proxy


def _who_has(port: int) -> str:
    """The command line of the process that a connection from that port of this machine belongs to."""
    owners = (each.pid for each in psutil.net_connections("tcp") if each.laddr and each.laddr.port == port)
    try:
        return next((" ".join(psutil.Process(pid).cmdline()) for pid in owners if pid), "gone already")
    except psutil.Error as gone:
        return str(gone)


def _blob_handler(cloud: Cloud) -> type[_Quiet]:
    class Blobs(_Quiet):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            _, _, container, *rest = unquote(address.path).split("/")
            files = cloud.model(container).files
            if not rest:
                self.answer(200, _listing(self.headers["Host"], container, files), "application/xml", _headers())
                return
            self._send_file(files["/".join(rest)])

        do_HEAD = do_GET  # noqa: N815  (http.server calls it so)

        def _send_file(self, file: Path) -> None:
            size = file.stat().st_size
            wanted = self.headers.get("x-ms-range") or self.headers.get("Range")
            first, last = 0, size - 1
            if wanted:
                begin, _, end = wanted.removeprefix("bytes=").partition("-")
                first, last = int(begin), min(int(end or size), size - 1)
            with file.open("rb") as source:
                source.seek(first)
                body = source.read(last - first + 1)
            if self.command == "GET":
                cloud.take(len(body))
            ranged = {"Content-Range": f"bytes {first}-{last}/{size}"} if wanted else {}
            kind = {"x-ms-blob-type": "BlockBlob", "Accept-Ranges": "bytes"}
            self.answer(206 if wanted else 200, body, "application/octet-stream", {**_headers(), **kind, **ranged})

    return Blobs


def _headers() -> dict[str, str]:
    return {
        "ETag": '"0x1"',
        "Last-Modified": DATE,
        "x-ms-creation-time": DATE,
        "x-ms-version": "2021-12-02",
        "x-ms-request-id": "1",
        "x-ms-server-encrypted": "true",
    }


def _listing(host: str, container: str, files: Mapping[str, Path]) -> bytes:
    blobs = "".join(
        f"<Blob><Name>{escape(name)}</Name><Properties><Creation-Time>{DATE}</Creation-Time>"
        f"<Last-Modified>{DATE}</Last-Modified><Etag>0x1</Etag><Content-Length>{file.stat().st_size}</Content-Length>"
        "<Content-Type>application/octet-stream</Content-Type><BlobType>BlockBlob</BlobType></Properties></Blob>"
        for name, file in files.items()
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<EnumerationResults ServiceEndpoint="http://{host}/account/" ContainerName="{container}">'
        f"<Blobs>{blobs}</Blobs><NextMarker /></EnumerationResults>"
    ).encode()


def _certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A certificate authority for this test, and a certificate of it for the registry's hosts."""
    authority, certificate, key = (folder / name for name in ("authority.pem", "registry.pem", "registry.key"))
    authority_key, request, extension = (folder / name for name in ("authority.key", "registry.csr", "registry.ext"))
    extension.write_text(f"subjectAltName=DNS:*{REGISTRY}\n")
    for arguments in (
        f"req -x509 -newkey rsa:2048 -nodes -keyout {authority_key} -out {authority} -days 2 -subj /CN=stand-in",
        f"req -newkey rsa:2048 -nodes -keyout {key} -out {request} -subj /CN=registry",
        f"x509 -req -in {request} -CA {authority} -CAkey {authority_key} -CAcreateserial -days 2 -out {certificate} "
        f"-extfile {extension}",
    ):
        done = run(["openssl", *arguments.split()])
        assert done.code == 0, done.err
    return authority, certificate, key
