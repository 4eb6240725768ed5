"""Chats that are kept, and who may see them: where CHAINLIT_DATABASE_URL says where to keep them, as compose.yaml does.

Without it (`chainlit run services/chainlit/app.py` on a machine of one's own) the chat keeps nothing, asks nobody who
he is, and needs none of the packages that this does.
"""

from __future__ import annotations

import logging
import os


def keep_chats() -> None:
    """Open the database, ask for a sign-in, and have Chainlit keep what is said.

    Raises:
        SystemExit: that can't be, and why. A chat that is to be closed is never left open.
    """
    if url := os.environ.get("CHAINLIT_DATABASE_URL", "").strip():
        _keep_chats_in(url)


def _keep_chats_in(url: str) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it says much as soon as it is imported
    from chainlit import data  # noqa: PLC0415

    from chat import export_page, sign_in, words  # noqa: PLC0415
    from chat.accounts import Accounts  # noqa: PLC0415
    from chat.store.database import UnusableError, open_database  # noqa: PLC0415
    from chat.store.layer import Layer  # noqa: PLC0415

    try:
        engine = open_database(url)
        layer = Layer(engine)
        sign_in.require(Accounts(engine), layer)
    except UnusableError as unusable:
        raise SystemExit(f"The chat can't keep what is said. {unusable}") from unusable
    except OSError as missing:
        raise SystemExit(f"The chat's secrets can't be read ({missing}). Run: python3 scripts/up.py") from missing
    data._data_layer, data._data_layer_initialized = (
        layer,
        True,
    )  # by its decorator a changed app would keep the old one
    export_page.offer(layer)
    words.speak()
