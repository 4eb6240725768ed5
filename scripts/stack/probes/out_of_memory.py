"""Whether the kernel ended a process of a container's for lack of memory, by the kernel's own count.

The engine notes it only where the container ended with it: not where a child died and the container went on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def kills(attributes: Mapping[str, Any], proc: Path = PROC, cgroups: Path = CGROUPS) -> int | None:
    """How many processes of the running container were ended since it started.

    Args:
        attributes: the engine's record of the container.

    Returns:
        None where this can't be known from here: with Docker Desktop the container runs on another kernel.
    """
    pid, name = attributes["State"].get("Pid"), str(attributes.get("Id"))
    try:
        lines = (proc / str(pid) / "cgroup").read_text(encoding="ascii").splitlines()
        by_controller = {line.split(":", 2)[1]: line.split(":", 2)[2].lstrip("/") for line in lines}
        if "memory" in by_controller:
            group, file = cgroups / "memory" / by_controller["memory"], "memory.oom_control"
        else:
            group, file = cgroups / by_controller[""], "memory.events"
        if name not in str(group):  # another kernel's process of the same number
            return None
        found = _KILLS.search((group / file).read_text(encoding="ascii"))
    except (OSError, KeyError, IndexError, UnicodeDecodeError):
        return None
    return int(found[1]) if found else None
