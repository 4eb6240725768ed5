"""Opens foundry-local-sdk's native runtime: a singleton that prints on its own, so never in `up`'s process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foundry_local_sdk import Configuration, FoundryLocalManager, LogLevel

APP_NAME = "foundry-stack"
NOWHERE = "http://127.0.0.1:9"  # never asked: naming an outside service is how the runtime is kept off the network


def open_runtime(
    data: Path, models: Path, catalog_url: str = "", *, offline: bool = False, log_level: str = "warning"
) -> Any:
    """The SDK's manager.

    Args:
        data: folder for the runtime's own logs and files.
        models: its model cache.
        catalog_url: empty for Microsoft's.
        offline: know only what the cache remembers and don't ask the catalog; such a runtime can't serve.
        log_level: debug names each call that arrives, and no word of a prompt.
    """
    data.mkdir(parents=True, exist_ok=True)
    FoundryLocalManager.initialize(
        Configuration(
            app_name=APP_NAME,
            app_data_dir=str(data),
            model_cache_dir=str(models),
            logs_dir=str(data / "logs"),
            log_level=LogLevel[log_level.upper()],
            catalog_urls=[(catalog_url, None)] if catalog_url else None,
            web=Configuration.WebService(external_url=NOWHERE) if offline else None,
            disable_nonessential_telemetry=True,
        )
    )
    return FoundryLocalManager.instance
