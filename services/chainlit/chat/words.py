"""What Chainlit's page says in other words than Chainlit's own."""

from __future__ import annotations

from typing import Any

from chainlit.config import ChainlitConfig

_SAYS = ChainlitConfig.load_translation


def speak() -> None:
    """In English: that a name is asked for at the sign-in, where the first password is, and that there are chats."""
    ChainlitConfig.load_translation = _in_our_words


def _in_our_words(config: ChainlitConfig, language: str) -> dict[str, Any]:
    said: dict[str, Any] = _SAYS(config, language)
    sign_in = said["auth"]["login"]
    sign_in["form"]["email"]["placeholder"] = "admin@localhost"
    if sign_in["form"]["email"]["label"] == "Email address":
        sign_in["title"] = "Sign in to chat"
        sign_in["form"]["email"]["label"] = "Name"
        sign_in["errors"]["default"] = "Not signed in. admin@localhost: python3 scripts/passwords.py show"
        said["navigation"]["newChat"]["dialog"]["description"] = "The chat that is open stays in the side bar."
        said["threadHistory"]["sidebar"]["empty"] = "No chats yet"
    return said
