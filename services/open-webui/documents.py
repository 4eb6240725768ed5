"""PDF and Word documents, which Open WebUI's slim flavour refuses: read by the chat's own reader of attached files.

That is a process of its own with little memory and time (`chat.files.worker`), so what was made to break a reader, or
takes for ever, takes nothing of Open WebUI with it. What is text anyway Open WebUI goes on reading by itself.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from chat.files import reader
from chat.files.outcome import Unreadable

ENDINGS = ("pdf", "docx")
NEEDED = ("pypdf", "docx")  # the reader's modules, which a published image need not have
ALL_OF_IT = sys.maxsize  # characters: what is too long for the model, the model's server says


def teach() -> None:
    """Have Open WebUI read them, where it runs without readers of its own."""
    from open_webui.env import USE_SLIM  # noqa: PLC0415  (importing Open WebUI reads the environment)
    from open_webui.retrieval.loaders.main import Document, Loader  # noqa: PLC0415

    if USE_SLIM and all(find_spec(each) for each in NEEDED):
        Loader.aload = reading_documents(Loader.aload, Document)


def reading_documents(otherwise: Any, document: Any) -> Any:
    """A method that reads a file for Open WebUI: these kinds here, any other as before.

    An external reader (Tika, say) that the administrator has chosen reads these, too.

    Args:
        otherwise: the method as it was.
        document: the class of what it gives back.
    """

    async def aload(self: Any, filename: str, file_content_type: str, file_path: str) -> list[Any]:
        if self.engine or filename.lower().rpartition(".")[2] not in ENDINGS:
            return list(await otherwise(self, filename, file_content_type, file_path))
        try:
            read = await reader.read(Path(file_path), filename, ALL_OF_IT)
        except Unreadable as unreadable:
            # Without its name: this gets into the log, too.
            raise ValueError(f"The file can't be read: {unreadable.why}. {unreadable.fix}") from None
        return [document(page_content=read.text, metadata={"source": file_path})]

    return aload
