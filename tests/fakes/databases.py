"""Looks into the databases of the running pages, in their own containers.

As a program in the clone whose scripts it finds: ``python -m fakes.databases``.
"""

from __future__ import annotations

import json

from docker import DockerClient

from stack.parts.containers import of_project
from stack.settings import Settings, load
from stack.tools.docker_engine import client

CHECK = """
import json, pathlib, sqlite3
found = {}
for file in sorted(pathlib.Path("/data").rglob("*")):
    if file.is_file() and file.open("rb").read(16) == b"SQLite format 3\\0":
        database = sqlite3.connect(file, timeout=60)
        found[str(file)] = database.execute("PRAGMA integrity_check").fetchall()
print(json.dumps(found))
"""
FILES = {"chainlit": "/data/chats.db", "open-webui": "/data/webui.db"}


def assert_whole(settings: Settings, engine: DockerClient) -> None:
    """Every SQLite database on the pages' volumes passes its own check."""
    for service, main in FILES.items():
        (container,) = of_project(settings, engine, service)
        done = container.exec_run(["/opt/venv/bin/python", "-c", CHECK])
        assert done.exit_code == 0, done.output.decode()
        found = json.loads(done.output)
        assert main in found
        assert all(said == [["ok"]] for said in found.values()), found


if __name__ == "__main__":
    assert_whole(load(), client())
