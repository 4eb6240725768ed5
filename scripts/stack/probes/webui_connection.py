"""The connections to model servers that Open WebUI has stored, where an administrator can change them on its page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from docker.models.containers import Container

from stack.probes.running import Running

_STORED = """
import json, sqlite3
rows = sqlite3.connect("file:/data/webui.db?mode=ro", uri=True).execute(
    "SELECT key, value FROM config WHERE key LIKE 'openai.%'"
)
print(json.dumps({key: json.loads(value) for key, value in rows}))
"""


@dataclass(frozen=True)
class Connection:
    """One of them.

    Args:
        rules: whatever else was set for it, by Open WebUI's own names.
    """

    url: str
    key: str = ""
    rules: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wrong:
    """Why a connection does not lead to the model.

    Args:
        cause: as the catalogue of causes has it.
    """

    said: str
    cause: str = "webui-stored-settings-win"


async def stored(running: Running, open_webui: Container) -> Sequence[Connection]:
    """The connections as the database has them; none where they are all switched off.

    Raises:
        LookupError: it can't be read; the text says why.
    """
    code, printed = await running.in_container(open_webui, ["python3", "-c", _STORED])
    if code != 0:
        raise LookupError(f"Open WebUI's stored connections can't be read: {printed[-200:]}")
    return read(json.loads(printed))


def read(settings: Mapping[str, Any]) -> Sequence[Connection]:
    """The connections in Open WebUI's own form of them: addresses, keys and rules in lists of their own."""
    if not settings.get("openai.enable"):
        return []
    urls, keys = settings.get("openai.api_base_urls") or [], settings.get("openai.api_keys") or []
    rules = settings.get("openai.api_configs") or {}
    return [
        Connection(str(url), str(keys[number] if number < len(keys) else ""), rules.get(str(number)) or {})
        for number, url in enumerate(urls)
    ]


def what_is_wrong(connections: Sequence[Connection], ours: str, model: str | None) -> Wrong | None:
    """Why none of them leads to the model on the way that the stack gave it; None where one does.

    Args:
        ours: that way.
        model: the id; None where it is not known.
    """
    faults = [_fault(each, ours, model) for each in connections]
    if not faults:
        return Wrong(f"Open WebUI asks nobody, not {ours}: its connections are switched off, or there are none")
    if None in faults:
        return None
    found = [fault for fault in faults if fault]
    return Wrong("; ".join(fault.said for fault in found), found[0].cause)


def _fault(connection: Connection, ours: str, model: str | None) -> Wrong | None:
    if connection.url != ours:  # one slash more, and the gateway knows none of its paths
        return Wrong(f"Open WebUI asks {connection.url}, not {ours}")
    rules = connection.rules
    only = rules.get("model_ids")
    faults = {
        "is switched off": not rules.get("enable", True),
        f"puts {rules.get('prefix_id')!r} before each model's name": bool(rules.get("prefix_id")),
        f"is for {', '.join(only or ())} only": bool(only and model and model not in only),
        "is set to Azure, whose addresses are others": bool(rules.get("azure")),
    }
    if fault := next((fault for fault, so in faults.items() if so), None):
        return Wrong(f"Open WebUI's connection to {ours} {fault}")
    if not connection.key.isprintable():
        said = f"Open WebUI's connection to {ours} has a key that can't be sent: it holds a line break or the like"
        return Wrong(said, "webui-wrong-key")
    return None
