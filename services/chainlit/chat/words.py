"""What Chainlit's page says in other words than Chainlit's own."""

from __future__ import annotations

from typing import Any

from chainlit.config import ChainlitConfig

TOO_MANY = "tooMany"
"""The key of an error at the sign-in; Chainlit has no words for it."""

_SAYS = ChainlitConfig.load_translation


def speak() -> None:
    """At the sign-in: that a name is asked for, and where the first one's password is."""
    ChainlitConfig.load_translation = _in_our_words


def _in_our_words(config: ChainlitConfig, language: str) -> dict[str, Any]:
    said: dict[str, Any] = _SAYS(config, language)
    sign_in = said["auth"]["login"]
    sign_in["errors"][TOO_MANY] = "Too many wrong passwords. Try again in half a minute."
    sign_in["form"]["email"]["placeholder"] = "admin@localhost"
    if sign_in["form"]["email"]["label"] == "Email address":
        sign_in["title"] = "Sign in to chat"
        sign_in["form"]["email"]["label"] = "Name"
        sign_in["errors"]["credentialssignin"] = (
            "Wrong name or password. The first password: python3 scripts/passwords.py show"
        )
    return said
