"""What nginx says about its configuration: the line that it does not take, told from other reasons not to start."""

from __future__ import annotations

import re

# Whatever the configuration itself is to blame for comes with the file and the line; a port that is taken or a full
# disk does not. A name that does not resolve is the network's fault, wherever it stands.
_REJECTED = re.compile(r"\[emerg\] (?:\d+#\d+: )?(?P<why>.*? in (?P<file>/\S+):\d+)\s*$", re.MULTILINE)
_NOT_FOUND = re.compile(r"\[emerg\] .*host not found in upstream \"(?P<name>[^\"]+)\"")
_NO_FILE = re.compile(r"\[emerg\] (?:\d+#\d+: )?(?P<why>open\(\) \"\S+\.conf\" failed .*)$", re.MULTILINE)


def rejected(said: str) -> str | None:
    """The last line of a configuration that nginx does not take, and why; None where it is not the configuration."""
    found = [each["why"] for pattern in (_REJECTED, _NO_FILE) for each in pattern.finditer(said)]
    return next((why for why in reversed(found) if "host not found" not in why), None)


def name_not_found(said: str) -> str | None:
    """The host that nginx could not find when it started."""
    found = _NOT_FOUND.search(said)
    return found["name"].rpartition(":")[0] or found["name"] if found else None
