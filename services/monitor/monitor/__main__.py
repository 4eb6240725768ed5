"""Runs the monitor on port 8000 until the container is stopped."""

from __future__ import annotations

import logging
import os

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from monitor.endpoints import make_app
from monitor.knobs import Knobs
from monitor.watch import Watch

PORT = 8000
WIND_DOWN_SECONDS = 1.0


def main() -> None:
    """Serve; only the gateway can reach this port, and it logs who asked for what."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("aiohttp.server").addFilter(_is_no_quotation)
    app = make_app(Watch(Knobs.of(os.environ)))
    web.run_app(app, port=PORT, access_log=None, print=None, shutdown_timeout=WIND_DOWN_SECONDS)


def _is_no_quotation(record: logging.LogRecord) -> bool:
    """What could not be read as a request is answered with 400; aiohttp would log it as an error, word for word."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


if __name__ == "__main__":
    main()
