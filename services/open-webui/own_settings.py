"""What this stack decides about Open WebUI, in two kinds: what it reads from the environment, and what it stores.

Open WebUI stores its settings at first start, and from then on the stored ones win over the environment. So those that
the stack depends on are written over the stored ones at each start (`stored`), and the rest stays as the administrator
set it on the page; what the environment says about those (`PREFERENCES`) is only where they begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MODEL_METADATA = "models.default_metadata"

# Read from the environment at each start, stored nowhere.
FIXED = {
    "ENV": "prod",
    "DATA_DIR": "/data",
    "STATIC_DIR": "/tmp/static",  # noqa: S108  (Open WebUI empties it and copies its own files there)
    "OFFLINE_MODE": "true",
    "ENABLE_VERSION_UPDATE_CHECK": "false",
    "ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS": "false",
    "OLLAMA_BASE_URL": "http://127.0.0.1:11434",  # never asked; without one it looks for one at start
    "AIOHTTP_POOL_DNS_TTL": "0",  # ask Docker for the gateway's address each time: a new gateway may have another
    "BYPASS_MODEL_ACCESS_CONTROL": "true",  # every user may ask the model, which is why they have an account
    "ENABLE_ADMIN_CHAT_ACCESS": "false",  # nobody reads another one's chats
    "ENABLE_ADMIN_EXPORT": "false",
    "ANONYMIZED_TELEMETRY": "false",
    "DO_NOT_TRACK": "true",
    "SCARF_NO_ANALYTICS": "true",
}

# Where preferences begin on a new volume.
PREFERENCES = {
    "ENABLE_SIGNUP": "false",
    "DEFAULT_USER_ROLE": "user",
    "ENABLE_COMMUNITY_SHARING": "false",
    "DEFAULT_INTERFACE_SETTINGS": '{"showChangelog": false}',
    "ENABLE_WEB_SEARCH": "false",
    "ENABLE_IMAGE_GENERATION": "false",
    "RAG_EMBEDDING_ENGINE": "openai",
    "BYPASS_EMBEDDING_AND_RETRIEVAL": "true",
}


@dataclass(frozen=True)
class Knobs:
    """What compose.yaml passes on.

    Args:
        base_url: address of the model server, with or without ``/v1``.
        api_key: sent to it; Foundry Local wants none.
        extras: whether a message may ask the model more than the question itself (tools, title, tags, follow-ups).
        origins: the page's own, as a browser names them.
    """

    base_url: str
    api_key: str
    extras: bool
    origins: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Knobs:
        """Read them; what is missing has the default of ``.env.example``."""
        extras = environment.get("OPEN_WEBUI_EXTRAS", "false").strip().lower()
        if extras not in ("true", "false"):
            raise SystemExit(f"OPEN_WEBUI_EXTRAS must be true or false, not {extras!r}.")
        base = environment.get("BASE_URL", "http://host.docker.internal:51211").rstrip("/")
        return cls(
            base_url=base if base.endswith("/v1") else f"{base}/v1",
            api_key=environment.get("API_KEY", ""),
            extras=extras == "true",
            origins=environment.get("ORIGINS", "http://localhost:3000"),
        )


def environment(knobs: Knobs) -> dict[str, str]:
    """Everything that Open WebUI shall find in its environment, but for the secrets."""
    return {
        **FIXED,
        **PREFERENCES,
        "CORS_ALLOW_ORIGIN": knobs.origins,
        "OPENAI_API_BASE_URL": knobs.base_url,
        "OPENAI_API_KEY": knobs.api_key,
        "RAG_OPENAI_API_BASE_URL": knobs.base_url,
    }


def stored(knobs: Knobs, metadata_now: Mapping[str, Any]) -> dict[str, Any]:
    """The stored settings that the stack depends on, by Open WebUI's own keys.

    Args:
        metadata_now: what is stored as defaults for all models; everything in it but the tools is kept.
    """
    capabilities = {**(metadata_now.get("capabilities") or {}), "builtin_tools": knobs.extras}
    return {
        "openai.enable": True,
        "openai.api_base_urls": [knobs.base_url],
        "openai.api_keys": [knobs.api_key],
        "openai.api_configs": {"0": {"enable": True, "connection_type": "local"}},
        "ollama.enable": False,
        "ui.enable_login_form": True,  # there is no other way in
        "task.title.enable": knobs.extras,
        "task.tags.enable": knobs.extras,
        "task.follow_up.enable": knobs.extras,
        "task.autocomplete.enable": knobs.extras,
        "task.query.retrieval.enable": False,  # a document goes to the model whole, so nothing is searched for in it
        MODEL_METADATA: {**metadata_now, "capabilities": capabilities},
    }
