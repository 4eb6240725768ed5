"""A PostgreSQL server of the tests' own, where this machine has the program."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakes.relay_process import free_port
from stack.tools.process import run

LOOPBACK = "127.0.0.1"


def programs() -> Path | None:
    """The folder with the newest version's; None where there is none, or root has no user to run it as."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: float(each.parent.name))
    if not found or (os.geteuid() == 0 and run(["id", "postgres"]).code != 0):
        return None
    return found[-1]


@contextmanager
def running_postgres() -> Iterator[str]:
    """Its address. It listens on loopback only, and asks for no password."""
    bin_folder = programs()
    assert bin_folder is not None
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    data, port = folder / "data", free_port(LOOPBACK)
    if as_user:
        shutil.chown(folder, "postgres")
    options = f"-p {port} -k {folder} -c listen_addresses={LOOPBACK} -c fsync=off"
    control = [*as_user, str(bin_folder / "pg_ctl"), "--pgdata", str(data), "--wait"]
    try:
        made = run([*as_user, str(bin_folder / "initdb"), "--auth=trust", "--username=chat", str(data)], cwd=folder)
        assert made.code == 0, made.out + made.err
        started = run([*control, "--log", str(folder / "log"), "--options", options, "start"], cwd=folder)
        assert started.code == 0, started.out + started.err
        yield f"postgresql://chat@{LOOPBACK}:{port}/postgres"
    finally:
        run([*control, "--mode", "immediate", "stop"], cwd=folder)
        shutil.rmtree(folder)
