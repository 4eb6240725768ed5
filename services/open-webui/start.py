"""Starts Open WebUI as this stack needs it: secrets from files, settings first, then the page on port 8080."""

from __future__ import annotations

import asyncio
import os

import accounts
import documents
import own_settings
import secret_files

PORT = 8080


def main() -> None:
    """Prepare, then serve until the container is stopped."""
    knobs = own_settings.Knobs.of(os.environ)
    os.environ.update(own_settings.environment(knobs), WEBUI_SECRET_KEY=secret_files.read("secret-key"))

    from open_webui import config  # noqa: F401, PLC0415  (brings the database to its newest form)

    documents.teach()
    asyncio.run(_prepare_and_serve(knobs))


async def _prepare_and_serve(knobs: own_settings.Knobs) -> None:
    import uvicorn  # noqa: PLC0415
    from open_webui.models.config import Config  # noqa: PLC0415

    metadata = await Config.get(own_settings.MODEL_METADATA) or {}
    await Config.upsert(own_settings.stored(knobs, metadata))
    first_password = secret_files.read("admin-password")
    await accounts.make_first_admin(first_password)
    await accounts.renew(accounts.ADMIN, secret_files.replaced("admin-password"), first_password)
    await accounts.keep(accounts.PROBE, "The stack's probe", secret_files.read("probe-password"))
    await accounts.keep(accounts.MONITOR, "The stack's monitor", secret_files.read("monitor-password"))
    # Only the gateway can reach this port, so what it says about the sender is taken.
    served = uvicorn.Config("open_webui.main:app", host="0.0.0.0", port=PORT, forwarded_allow_ips="*")  # noqa: S104
    await uvicorn.Server(served).serve()


if __name__ == "__main__":
    main()
