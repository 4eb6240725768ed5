"""A page of another origin that tries what a page can try against an address that is not its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Each way, and what came of it: "sent" where a page can't know more, "read" or "open" where it got something.
TRY_ALL = """
async ({ target, spend, body }) => {
  const found = {};
  const within = (promise) => Promise.race([promise, new Promise((done) => setTimeout(() => done("nothing"), 4000))]);
  const read = async (path, options) => {
    try {
      const answer = await fetch(target + path, options);
      return answer.type === "opaque" ? "sent" : `read ${(await answer.text()).length}`;
    } catch { return "refused"; }
  };
  const element = (name, attributes) => within(new Promise((done) => {
    const made = Object.assign(document.createElement(name), attributes);
    made.onload = () => done("loaded");
    made.onerror = () => done("refused");
    document.body.append(made);
  }));
  const text = { method: "POST", headers: { "Content-Type": "text/plain" }, body };
  const json = { method: "POST", headers: { "Content-Type": "application/json" }, body };
  found["fetch"] = await within(read("/", {}));
  found["fetch with cookies"] = await within(read("/", { credentials: "include" }));
  found["fetch, not read"] = await within(read("/", { mode: "no-cors" }));
  found["fetch of the models"] = await within(read("/v1/models", {}));
  found["post as text"] = await within(read(spend, { ...text, mode: "no-cors" }));
  found["post as text, read"] = await within(read(spend, text));
  found["post as JSON"] = await within(read(spend, { ...json, credentials: "include" }));
  const nameless = { ...text, mode: "no-cors", referrerPolicy: "no-referrer" };
  found["post without a referrer"] = await within(read(spend, nameless));
  found["beacon"] = navigator.sendBeacon(target + spend, new Blob([body], { type: "text/plain" })) ? "sent" : "refused";
  found["picture"] = await element("img", { src: target + "/favicon" });
  found["script"] = await element("script", { src: target + "/v1/models" });
  found["style"] = await element("link", { rel: "stylesheet", href: target + "/public/look.css" });
  const frame = document.createElement("iframe");
  frame.name = "inside";
  document.body.append(frame);
  const form = document.createElement("form");
  Object.assign(form, { method: "POST", action: target + spend, enctype: "text/plain", target: "inside" });
  form.append(Object.assign(document.createElement("input"), { name: body.slice(0, -1) + ',"x":"', value: '"}' }));
  document.body.append(form);
  found["form"] = await within(new Promise((done) => { frame.onload = () => done("sent"); form.submit(); }));
  const page = document.createElement("iframe");
  page.src = target + "/";
  document.body.append(page);
  found["frame"] = await within(new Promise((done) => {
    page.onload = () => done(page.contentDocument ? `read ${page.contentDocument.body.innerHTML.length}` : "sent");
  }));
  for (const path of ["/ws/socket.io/?EIO=4&transport=websocket", "/"]) {
    found[`socket ${path.slice(0, 14)}`] = await within(new Promise((done) => {
      const socket = new WebSocket(target.replace("http", "ws") + path);
      socket.onopen = () => done("open");
      socket.onerror = () => done("refused");
    }));
  }
  found["events"] = await within(new Promise((done) => {
    const source = new EventSource(target + "/v1/models");
    source.onopen = () => { source.close(); done("open"); };
    source.onerror = () => { source.close(); done("refused"); };
  }));
  return found;
}
"""

# Opens the address in a window, and tries to reach into it.
OPEN_WINDOW = """
async (address) => {
  const opened = window.open(address, "_blank");
  await new Promise((done) => setTimeout(done, 3000));
  const found = {};
  try { found.closed = opened.closed; } catch { found.closed = "refused"; }
  try { found.text = opened.document.body.innerText; } catch { found.text = "refused"; }
  try { found.frames = opened.length; } catch { found.frames = "refused"; }
  try { opened.postMessage({ type: "input:prompt:submit", text: "Hello" }, "*"); } catch { found.message = "refused"; }
  return found;
}
"""


@dataclass
class Elsewhere:
    """A server on loopback that is none of ours: it has the page, and takes whatever comes.

    Args:
        arrived: method and path of each request.
    """

    port: int
    arrived: list[str] = field(default_factory=list)


@contextlib.contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """Serve it."""
    arrived: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer()

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self) -> None:
            arrived.append(f"{self.command} {self.path}")
            page = b"<!doctype html><title>Foreign</title><body>A page of somebody else's"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Elsewhere(server.server_address[1], arrived)
    finally:
        server.shutdown()
        server.server_close()
