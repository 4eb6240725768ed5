"""`up`: from a bare machine to pages that answer, one stage after the other; a second run changes nothing."""

from __future__ import annotations

import argparse
import webbrowser

from docker import DockerClient

from stack import probes
from stack.parts import containers, foundry, host_checks, relay_token
from stack.parts.base_image import ensure_base_image, host_ca_bundle
from stack.parts.engine import ensure_engine
from stack.parts.relay import lifecycle as relay
from stack.parts.single_run import alone
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.reports.table import show as show_report
from stack.settings import Settings, load
from stack.tools.docker_engine import client


def main() -> int:
    """Run the command; returns the exit code: 0 every page answers, 1 something is broken, 2 could not even try."""
    return guarded(_run)


def bring_up(settings: Settings, stages: Stages, *, assume_yes: bool) -> probes.Report:
    """Make everything run and prove it with a generated token through every front end.

    Args:
        assume_yes: answer the questions about installing things with yes.

    Returns:
        The probe's report on the running stack.
    """
    with stages.stage("Docker Engine") as progress:
        ensure_engine(assume_yes=assume_yes, progress=progress, say=stages.say)
    engine = client()
    with stages.stage("Room and free ports"):
        _check_host(settings, engine)
    with stages.stage("Base image") as progress:
        base = ensure_base_image(settings, assume_yes=assume_yes, progress=progress, say=stages.say)
        settings = _with_build_inputs(settings, base)
    with stages.stage("Images") as progress:
        containers.build(settings, progress)
    with stages.stage("Secrets"):
        token_file = relay_token.fetch(settings, engine)
    with stages.stage("Foundry Local and its model") as progress:
        running = foundry.ensure(settings, progress, stages.say)
    with stages.stage("Relay"):
        relay.start(settings, _relay_addresses(settings, engine, running), token_file)
    with stages.stage("Containers") as progress:
        containers.start(settings, progress)
    with stages.stage("A real answer through every front end"):
        return probes.run(settings)
