"""Asked for answers only, the probe still names what is broken below, once for each front end."""

from __future__ import annotations

import pytest

from faults.links import Links
from stack.probes import Layer
from stack.probes.on_host import probe
from stack.settings import Settings


@pytest.mark.parametrize(
    ("break_it", "cause"),
    [
        ("relay_stopped", "relay-down"),
        pytest.param("relay_on_loopback_only", "relay-down", marks=pytest.mark.full),
        pytest.param("foundry_frozen", "foundry-hangs", marks=pytest.mark.full),
    ],
)
async def test_the_cause_below_is_named(settings: Settings, links: Links, break_it: str, cause: str) -> None:
    with getattr(links, break_it)():
        report = await probe(settings, Layer.ANSWER)
    assert {check.target: check.cause for check in report.checks} == dict.fromkeys(
        ("chainlit", "open-webui", "webgpu-static"), cause
    )
