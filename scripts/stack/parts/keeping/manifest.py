"""What a backup says about itself, before anything else in the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

FORM = 1
"""Of the file as a whole; one with a higher number is of a newer version of these scripts."""


class NewerFormError(ValueError):
    """The backup was made by a newer version of these scripts."""


@dataclass(frozen=True)
class Manifest:
    """The first entry of a backup.

    Args:
        created_at: when it was begun, with its time zone.
        project: the stack's name where it was made.
        versions: of the programs that had written the data, by service, such as ``{"open-webui": "0.12.4"}``.
        volumes: those that are in it, by their names in compose.yaml.
        left_out: what of the stack's data is not in it, in words for people; empty where all is.
        tables: the newest form of our own tables that those programs knew, by service.
    """

    created_at: datetime
    project: str
    versions: Mapping[str, str]
    volumes: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    tables: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> bytes:
        """As it stands in the file."""
        fields = {**asdict(self), "created_at": self.created_at.isoformat()}
        return (json.dumps({"form": FORM, **fields}, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """Read it.

        Raises:
            NewerFormError: it is of a form that is not known here.
            ValueError: it is none.
        """
        found = json.loads(text)
        if not isinstance(found, dict) or not isinstance(found.get("form"), int):
            raise ValueError("it says nothing about itself")
        if found["form"] > FORM:
            raise NewerFormError(found["form"])
        try:
            return cls(
                datetime.fromisoformat(found["created_at"]),
                str(found["project"]),
                _by_service(found["versions"]),
                _words(found["volumes"]),
                _words(found["left_out"]),
                _by_service(found.get("tables", {})),
            )
        except (KeyError, TypeError, AttributeError) as missing:
            raise ValueError("it does not say all about itself") from missing


def _by_service(found: Any) -> dict[str, str]:
    return {str(service): str(version) for service, version in found.items()}


def _words(found: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in found)
