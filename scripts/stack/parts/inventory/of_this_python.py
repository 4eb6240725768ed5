"""What the scripts themselves run on: the Python packages of their environment, Foundry Local's own among them."""

from __future__ import annotations

from importlib.metadata import distributions

from packaging.metadata import parse_email

from stack.parts.inventory.packages import Inventory, python_package


def of_this_python() -> Inventory:
    """The packages that this very process can import."""
    records = {str(each.read_text("METADATA") or each.read_text("PKG-INFO") or "") for each in distributions()}
    return Inventory(tuple(sorted({python_package(parse_email(text)[0], "a package") for text in records if text})))
