"""The secrets that `init` made for this service, each in a file that only it can read."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("/run/secrets")


def read(name: str) -> str:
    """The secret of that name, which never enters an environment that can be seen from outside."""
    try:
        return (FOLDER / name).read_text(encoding="ascii").strip()
    except OSError as missing:
        raise SystemExit(
            f"The secret {name} can't be read ({missing.strerror}). Run: python3 scripts/up.py"
        ) from missing


def replaced(name: str) -> list[str]:
    """What the secret was before it was rotated, as long as that is kept."""
    return [file.read_text(encoding="ascii").strip() for file in sorted(FOLDER.glob(f"{name}.old-*"))]
