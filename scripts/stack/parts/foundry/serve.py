"""The daemon: Foundry Local's web service on a free loopback port, with one model loaded.

    python -m stack.parts.foundry.serve --state DIR --models DIR --model ID --catalog public|embedded
                                        [--catalog-url URL] [--log-level warning|debug]

When it is ready it writes `foundry.json`. It ends on SIGTERM, SIGINT and after somebody's POST /shutdown.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from stack.parts.foundry import own_code, record
from stack.parts.foundry.catalog import serve_embedded
from stack.parts.foundry.runtime import open_runtime
from stack.parts.model import EmbeddedModel
from stack.parts.model import prepare as prepare_embedded
from stack.parts.state import process_started
from stack.tools.progress import silent

WATCH_SECONDS = 0.2
STOP_SECONDS = 2.5  # for answers that are being given; then the process ends all the same


class Service:
    """The runtime, opened and served from a thread, so that signals are heard while a model loads."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.over = threading.Event()
        self.failed = False
        self.manager: Any = None
        self.serving = False

    def run(self) -> None:
        """Load, serve, announce; returns when the service is to end."""
        try:
            with self._catalog() as (models, catalog_url):
                self._open(models, catalog_url)
                while not self.over.wait(WATCH_SECONDS) and not self.manager.is_shutdown_requested():
                    pass
        except Exception:
            self.failed = True
            traceback.print_exc()
        finally:
            self.over.set()

    @contextmanager
    def _catalog(self) -> Iterator[tuple[Path, str]]:
        """The model cache and the catalog's address that Foundry Local is to use."""
        if self.arguments.catalog == "public":
            yield self.arguments.models, self.arguments.catalog_url
            return
        embedded = prepare_embedded(self.arguments.models, silent)
        with serve_embedded(embedded) as catalog_url:
            yield _cache_of_its_own(self.arguments.state / "foundry" / "embedded", embedded), catalog_url

    def _open(self, models: Path, catalog_url: str) -> None:
        wanted = self.arguments.model
        begin = time.monotonic()
        data, log_level = self.arguments.state / "foundry", self.arguments.log_level
        self.manager = open_runtime(data, models, catalog_url, log_level=log_level)
        model = self.manager.catalog.get_model_variant(wanted)
        if model is None or not model.is_cached:
            raise RuntimeError(f"the model {wanted} is {'not downloaded' if model else 'not in the catalog'}")
        model.load()
        say(f"loaded {wanted} in {time.monotonic() - begin:.1f} s")
        self.manager.start_web_service()  # without an address in the configuration: 127.0.0.1, a free port
        self.serving = True
        device = model.info.runtime.device_type
        record.write(
            self.arguments.state,
            record.Record(
                url=self.manager.urls[0].rstrip("/"),
                owned=True,
                pid=os.getpid(),
                started=process_started(os.getpid()),
                model=model.id,
                alias=model.alias,
                device=str(device).lower() if device else "",
                catalog=self.arguments.catalog,
                code=own_code.version(),
            ),
        )
        say(f"ready at {self.manager.urls[0]}")

    def end(self) -> NoReturn:
        """Leave, at the latest after STOP_SECONDS.

        Once somebody has POSTed /shutdown, `stop_web_service` of 2.2.1 never returns. Nothing is lost by leaving
        without it: the runtime keeps nothing on disk that needs closing.
        """
        record.forget(self.arguments.state, os.getpid())
        if self.serving and not self.manager.is_shutdown_requested():
            stopper = threading.Thread(target=self.manager.stop_web_service, daemon=True)
            stopper.start()
            stopper.join(STOP_SECONDS)
        say("failed" if self.failed else "stopped")
        os._exit(1 if self.failed else 0)  # the runtime's own threads would keep a normal exit waiting


def _cache_of_its_own(cache: Path, embedded: EmbeddedModel) -> Path:
    """A model cache with only a link to the embedded model.

    The runtime notes in the cache what its catalog offers, to remember it when offline. The note of a catalog with
    one model must not replace what the shared cache remembers of Microsoft's.
    """
    link = cache / embedded.publisher / embedded.directory.name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(embedded.directory, target_is_directory=True)
    return cache


def say(text: str) -> None:
    """A line in the log, with the time."""
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} foundry.serve: {text}", flush=True)


def main(argv: list[str] | None = None) -> NoReturn:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m stack.parts.foundry.serve", description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--catalog", choices=["public", "embedded"], required=True)
    parser.add_argument("--catalog-url", default="")
    parser.add_argument("--log-level", default="warning", choices=["warning", "debug"])
    service = Service(parser.parse_args(argv))
    for told in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told, lambda *_: service.over.set())
    threading.Thread(target=service.run, daemon=True, name="service").start()
    service.over.wait()
    service.end()


if __name__ == "__main__":
    main()
