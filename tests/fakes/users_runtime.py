"""A Foundry Local as a user might run it himself: the real runtime, started by a program that is none of ours.

    python users_runtime.py FOLDER PORT MODEL_FOLDER

Serves on 127.0.0.1:PORT, or on a free port where PORT is 0, with the model in its cache and nothing loaded, and writes
its address to FOLDER/url. Ends on SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from foundry_local_sdk import Configuration, FoundryLocalManager

from fakes.catalog import Offered, running_cloud

ALIAS = "smollm2-135m-instruct"
NAME = "smollm2-135m-instruct-generic-cpu"


def main() -> None:
    """Serve until told to stop."""
    folder, port, model = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    cache = folder / "cache"
    link = cache / "Microsoft" / f"{NAME}-1"
    link.parent.mkdir(parents=True)
    link.symlink_to(model, target_is_directory=True)
    not_downloaded = Offered("phi-4-mini", "Phi-4-mini-instruct-generic-cpu", "5")
    with running_cloud([not_downloaded, Offered(ALIAS, NAME)], folder) as cloud:
        FoundryLocalManager.initialize(
            Configuration(
                app_name="a-users-program",
                app_data_dir=str(folder),
                model_cache_dir=str(cache),
                catalog_urls=[(cloud.catalog_url, None)],
                disable_nonessential_telemetry=True,
                web=Configuration.WebService(urls=f"http://127.0.0.1:{port}") if port else None,
            )
        )
        manager = FoundryLocalManager.instance
        manager.start_web_service()
        draft = folder / "url.draft"
        draft.write_text(manager.urls[0])
        draft.rename(folder / "url")
        over = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: over.set())
        over.wait()
        os._exit(0)


if __name__ == "__main__":
    main()
