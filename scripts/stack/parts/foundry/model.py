"""A model as Foundry Local's catalog describes it, and the names people call it by."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stack.parts.model import identity

DEVICES = ("cpu", "gpu", "npu")
_VARIANT = re.compile(r"-[a-z0-9]+-(?P<device>cpu|gpu|npu)(-\d+)?$", re.IGNORECASE)
_TUNING = re.compile(r"-(instruct|chat)$", re.IGNORECASE)


@dataclass(frozen=True)
class Model:
    """One variant of a model.

    Attributes:
        id: ``name:version``, the only name that chat requests may use.
        alias: what all variants of the model share.
        device: cpu, gpu or npu; empty where nothing tells.
        size_bytes: of the download; None where the catalog does not say.
        preferred: whether Foundry Local itself would take this variant on this machine.
    """

    id: str
    alias: str
    device: str
    size_bytes: int | None = None
    preferred: bool = False

    @classmethod
    def from_id(cls, model_id: str) -> Model:
        """A model of which only the id is known; alias and device are what the id suggests."""
        name, _ = split_id(model_id)
        variant = _VARIANT.search(name)
        return cls(model_id, _TUNING.sub("", _VARIANT.sub("", name)), variant["device"].lower() if variant else "")

    @property
    def name(self) -> str:
        """The id without its version."""
        return split_id(self.id)[0]

    @property
    def version(self) -> int:
        """The id's version; 0 where it has none."""
        return split_id(self.id)[1]

    def is_called(self, wanted: str) -> bool:
        """Whether ``wanted`` means this model: its id, name or alias, or its name without the variant; in any case."""
        stem = _VARIANT.sub("", self.name)
        return wanted.casefold() in {known.casefold() for known in (self.id, self.name, self.alias, stem)}


EMBEDDED = Model(identity.ID, identity.ALIAS, "cpu", preferred=True)


def split_id(model_id: str) -> tuple[str, int]:
    """``name:4`` → (name, 4); without a version (id, 0)."""
    name, _, version = model_id.rpartition(":")
    return (name, int(version)) if name and version.isdecimal() else (model_id, 0)
