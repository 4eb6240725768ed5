"""The `.env` file of a backup: put where there is none, else laid beside the one that is there, which counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stack import settings as settings_module
from stack.tools.user import hand_over

BESIDE = ".env.from-backup"


@contextmanager
def env_in_place(env: bytes | None, is_decided: Callable[[], bool]) -> Iterator[str | None]:
    """Have the backup's `.env` here if there is none; it goes again if the block fails.

    Args:
        is_decided: whether what it belongs to can't be undone any more; then it stays.

    Yields:
        What was done, in words; None where nothing was.
    """
    here = settings_module.USER_FILE
    if env is None or (here.exists() and here.read_bytes() == env):
        yield None
        return
    is_free = not here.exists()
    file = here if is_free else here.with_name(BESIDE)
    _write(file, env)
    try:
        yield (
            "`.env` is the backup's."
            if is_free
            else f"`.env` stays as it is here; the backup's, which differs, is {BESIDE}."
        )
    except BaseException:
        if not is_decided():
            file.unlink(missing_ok=True)
        raise


def _write(file: Path, env: bytes) -> None:
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(env)
    hand_over(file)
