"""`sbom`: one CycloneDX document for each image, and one for the scripts' own environment."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from docker import DockerClient
from rich.table import Table

from stack.parts import containers, sbom
from stack.parts.inventory import SCRIPTS, Inventory, Kind, of_stack
from stack.parts.state import private_folder
from stack.reports.console import make_console, print_table
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.settings import Settings, load
from stack.tools.docker_engine import client
from stack.tools.user import hand_over


def main() -> int:
    """Run the command; returns the exit code: 0 written, 1 it could not be done, 2 could not even try."""
    return guarded(_run)


def _run() -> int:
    parser = argparse.ArgumentParser(prog="sbom.py", description="Write down what each image is made of.")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="default: the folder sbom in the state folder")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args()
    settings = load()
    engine = client()
    folder: Path = arguments.into or settings.state / "sbom"
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("of", "Debian", "Python", "npm", "file"):
        table.add_column(heading, justify="right" if heading in ("Debian", "Python", "npm") else "left")
    found = of_stack(settings, engine, Stages().stage)
    if arguments.into:
        folder.mkdir(parents=True, exist_ok=True)
    else:
        private_folder(folder)
    for service, packages in found.items():
        file = folder / f"{service}.cdx.json"
        file.write_text(_document(settings, engine, service, packages), encoding="utf-8")
        hand_over(file)
        table.add_row(service, *(str(packages.count(kind)) for kind in Kind), str(file))
    print_table(make_console(), table)
    return 0


def _document(settings: Settings, engine: DockerClient, service: str, packages: Inventory) -> str:
    if service == SCRIPTS:
        return sbom.document("foundry-stack scripts", None, datetime.now(UTC), packages)
    name = containers.image_of(settings, service)
    image = engine.images.get(name)
    made = datetime.fromisoformat(image.attrs["Created"])
    repository, _, tag = name.rpartition(":")
    return sbom.document(repository, tag, made, packages, sha256=str(image.id).removeprefix("sha256:"))
