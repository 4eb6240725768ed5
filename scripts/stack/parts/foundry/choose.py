"""Which model answers: what MODEL and DEVICE mean on this machine, and why."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from stack.parts.foundry.model import EMBEDDED, Model
from stack.tools.errors import StackError

AUTO = "auto"
DEFAULT = "phi-4-mini"

CatalogKind = Literal["public", "embedded"]


@dataclass(frozen=True)
class Choice:
    """The model that is to answer.

    Attributes:
        reason: for the user, why this one.
        catalog: where Foundry Local learns about it.
        downloaded: whether it is known to be in the model cache already.
    """

    id: str
    alias: str
    device: str
    reason: str
    catalog: CatalogKind
    downloaded: bool = False

    def __str__(self) -> str:
        return f"{self.id} on {self.device} ({self.reason})"


class Library(Protocol):
    """Where models can come from."""

    def offered(self) -> Sequence[Model]:
        """What the catalog offers this machine; nothing where it does not answer."""

    def downloaded(self) -> Sequence[Model]:
        """What is in the model cache already, from an earlier day when the catalog answered."""


def choose(wanted: str, device: str, library: Library) -> Choice:
    """Decide on a model for a Foundry Local of our own. The library is only asked when the answer depends on it.

    Args:
        wanted: the MODEL knob.
        device: the DEVICE knob.

    Raises:
        StackError: ``model-unknown`` with the nearest names or the variants there are, or ``catalog-unreachable``.
    """
    if wanted.casefold() == AUTO:
        return _default(device, library)
    if EMBEDDED.is_called(wanted):
        return _embedded(wanted, device, f"MODEL={wanted}, the embedded one")
    if offered := library.offered():
        return _from_catalog(pick([*offered, EMBEDDED], wanted, device), f"MODEL={wanted}")
    downloaded = library.downloaded()
    if any(model.is_called(wanted) for model in downloaded):
        return _from_cache(pick(downloaded, wanted, device), f"MODEL={wanted}")
    raise _catalog_unreachable(wanted, downloaded)


def pick(models: Sequence[Model], wanted: str, device: str) -> Model:
    """The variant that MODEL and DEVICE mean: Foundry's own preference where DEVICE is auto, the newest version.

    Raises:
        StackError: ``model-unknown``, never another model in its place.
    """
    called_so = [model for model in models if model.is_called(wanted)]
    if not called_so:
        raise unknown(wanted, models)
    fitting = [model for model in called_so if device in (AUTO, model.device)]
    if not fitting:
        raise _no_such_variant(wanted, device, called_so)
    return max(fitting, key=lambda model: (model.preferred, model.version))


def unknown(wanted: str, models: Iterable[Model]) -> StackError:
    """The error for a MODEL that nothing is called, with what comes nearest."""
    aliases = sorted({model.alias for model in models})
    names = {name.casefold(): name for model in models for name in (model.id, model.name)}
    names |= {alias.casefold(): alias for alias in aliases}
    near = [names[name] for name in difflib.get_close_matches(wanted.casefold(), names, n=8, cutoff=0.5)]
    near = [name for name in near if name in aliases] or near
    shown = ", ".join((near or aliases)[:3]) or "none"
    return StackError(
        f"There is no model called {wanted!r} for this machine. {'The nearest' if near else 'There are'}: {shown}.",
        fix=f"Set MODEL={near[0]} in .env, or MODEL={AUTO}." if near else f"Set MODEL={AUTO} in .env.",
        cause="model-unknown",
    )


def _default(device: str, library: Library) -> Choice:
    offered = library.offered()
    if fitting := _variants(offered, device):
        return _from_catalog(pick(fitting, DEFAULT, device), "MODEL=auto: Foundry's catalog answers")
    if offered:
        for_device = "" if device == AUTO else f" for {device}"
        return _embedded(
            AUTO, device, f"MODEL=auto: Foundry's catalog has no {DEFAULT}{for_device} here: the embedded one"
        )
    if fitting := _variants(library.downloaded(), device):
        return _from_cache(pick(fitting, DEFAULT, device), "MODEL=auto")
    return _embedded(AUTO, device, "MODEL=auto: Foundry's catalog does not answer, so the small embedded one")


def _variants(models: Sequence[Model], device: str) -> list[Model]:
    return [model for model in models if model.is_called(DEFAULT) and device in (AUTO, model.device)]


def _embedded(wanted: str, device: str, reason: str) -> Choice:
    if device not in (AUTO, EMBEDDED.device):
        raise _no_such_variant(EMBEDDED.alias if wanted == AUTO else wanted, device, [EMBEDDED])
    return Choice(EMBEDDED.id, EMBEDDED.alias, EMBEDDED.device, reason, "embedded")


def _from_catalog(model: Model, reason: str) -> Choice:
    return Choice(model.id, model.alias, model.device, reason, "public")


def _from_cache(model: Model, reason: str) -> Choice:
    why = f"{reason}, downloaded earlier; Foundry's catalog does not answer"
    return Choice(model.id, model.alias, model.device, why, "public", downloaded=True)


def _no_such_variant(wanted: str, device: str, variants: Sequence[Model]) -> StackError:
    there_are = "; ".join(f"{model.device}: {model.id}" for model in sorted(variants, key=lambda model: model.device))
    return StackError(
        f"The model {wanted!r} has no variant for DEVICE={device} on this machine. There is {there_are}.",
        fix=f"Set DEVICE={variants[0].device} or DEVICE=auto in .env.",
        cause="model-unknown",
    )


def _catalog_unreachable(wanted: str, downloaded: Sequence[Model]) -> StackError:
    here = sorted({EMBEDDED.alias, *(model.alias for model in downloaded)})
    return StackError(
        f"Foundry's catalog does not answer, and MODEL={wanted} is not on this machine yet.",
        fix=f"Is the name right? Without a connection there is MODEL={' or MODEL='.join(here)}, and MODEL=auto always "
        "works. With one (or with CATALOG_URL), run this again: it is downloaded then.",
        cause="catalog-unreachable",
    )
