"""What was seen on the way to the model server, as far as the gateway, and what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stack.probes.report import Outcome, failed, ok
from stack.tools.text import one_line

VIA_GATEWAY = "foundry-stack-gateway"


def judge(seen: Mapping[str, Any], gateway_addresses: Sequence[str], **names: str) -> Outcome:  # noqa: PLR0911
    """What was seen on the way (by `inside.look`, or from inside the gateway) means.

    Args:
        gateway_addresses: what the name may resolve to; empty where that is not known.
        names: fill the blanks of a fix.
    """
    to = ", ".join(seen["addresses"])
    match seen["failed_at"]:
        case "name":
            return failed("host-name-missing", seen["error"], **names)
        case _ if gateway_addresses and not set(seen["addresses"]) <= set(gateway_addresses):
            # Even if the gateway is among them: whoever asks takes one or the other.
            return failed(
                "host-name-wrong", f"resolves to {to}, the gateway is {', '.join(gateway_addresses)}", **names
            )
        case "connect" if "refused" in seen["error"].lower():
            return failed("connection-refused", f"{to}: {seen['error']}", **names)
        case "connect":
            return failed("route-blocked", f"{to}: {seen['error']}", **names)
        case "answer":
            return failed("gateway-down", f"{to} takes the connection, then: {seen['error']}", **names)
    if VIA_GATEWAY in seen["via"]:
        after = f" after {seen['connect_seconds'] * 1000:.0f} ms" if "connect_seconds" in seen else ""
        return ok(f"{to} answers{after} as the gateway")
    return failed("unknown", f"{to} answers, but not as the gateway: {seen['status']} {one_line(seen['body'], 120)}")
