"""The probe: questions asked of the running stack, from the engine up to a real generated token.

`chat`, `upstream` and `inside` need no more than HTTP and run anywhere, as do `report`, `causes` and `schedule` that
they stand on; the rest also needs the Docker SDK and the host's files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.probes.report import Check, Layer, Report, Status
from stack.tools.async_work import run_async

if TYPE_CHECKING:
    from stack.probes.schedule import OnCheck
    from stack.settings import Settings

__all__ = ["Check", "Layer", "Report", "Status", "run"]


def run(
    settings: Settings, only: Layer | None = None, on_check: OnCheck | None = None, *, answers: bool = True
) -> Report:
    """Ask the running stack everything, or only the questions of one layer.

    Args:
        answers: also what costs tokens of the model.
        on_check: called with each check as soon as it is known.
    """
    from stack.probes.on_host import probe  # noqa: PLC0415  (whoever only asks over HTTP has no Docker SDK)

    return run_async(probe(settings, only, on_check, answers=answers))
