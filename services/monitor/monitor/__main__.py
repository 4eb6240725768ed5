"""Runs the monitor on port 8000 until the container is stopped."""

from __future__ import annotations

import logging
import os

from aiohttp import web

from monitor.endpoints import make_app
from monitor.knobs import Knobs
from monitor.watch import Watch

PORT = 8000
WIND_DOWN_SECONDS = 1.0


def main() -> None:
    """Serve; only the gateway can reach this port, and it logs who asked for what."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    app = make_app(Watch(Knobs.of(os.environ)))
    web.run_app(app, port=PORT, access_log=None, print=None, shutdown_timeout=WIND_DOWN_SECONDS)


if __name__ == "__main__":
    main()
