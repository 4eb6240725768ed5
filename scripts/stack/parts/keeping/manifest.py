"""What a backup says about itself, before anything else in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Manifest:
    """The first entry of a backup.

    Args:
        created_at: when it was begun.
        project: the stack's name where it was made.
        versions: of the programs that had written the data, by service, such as ``{"open-webui": "0.12.4"}``.
        volumes: those that are in it, by their names in compose.yaml.
        left_out: what of the stack's data is not in it, in words for people; empty where all is.
    """

    created_at: datetime
    project: str
    versions: Mapping[str, str]
    volumes: tuple[str, ...]
    left_out: tuple[str, ...] = ()
