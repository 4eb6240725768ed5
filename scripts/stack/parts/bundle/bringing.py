"""Brings what a bundle holds onto this machine."""

from __future__ import annotations

from docker import DockerClient

from stack.parts.bundle import images, models, record
from stack.parts.bundle.clone import START, first_difference
from stack.settings import ROOT, Settings
from stack.tools.bundle_file import CLONE, BundleFile
from stack.tools.errors import StackError
from stack.tools.progress import Progress


def refuse_other_sources(bundle: BundleFile) -> None:
    """Raise where these scripts and services are not those that the bundle's images were built from.

    Raises:
        StackError: ``bundle-of-other-sources`` with the first file that differs, or ``bundle-incomplete``, where it
            names none; exit code 2.
    """
    sums = record.clone_sums(bundle)
    if START not in sums:
        raise StackError(
            f"{bundle.path} has no scripts in it, so nobody can say which ones its images fit to.",
            fix="Make another where it came from: python3 scripts/bundle.py",
            cause="bundle-incomplete",
            exit_code=2,
        )
    if changed := first_difference(sums):
        raise StackError(
            f"{ROOT / changed} is another file than the one in the bundle, whose images may not fit to it.",
            fix=f"Run the scripts that came in it: tar -xf {bundle.path} {CLONE} && cd {CLONE}   Or, with a network, "
            "`python3 scripts/up.py` builds the images from your files.",
            cause="bundle-of-other-sources",
            exit_code=2,
        )


def bring(settings: Settings, engine: DockerClient, bundle: BundleFile, progress: Progress) -> None:
    """Have the bundle's models and images here; what is here already stays untouched.

    Raises:
        StackError: ``images-not-loaded`` or ``bundle-damaged``.
    """
    models.put(bundle, settings.models, progress)
    if not record.holds_images_of(settings, engine, bundle):
        images.load(settings, bundle, progress)
        record.note(settings, engine, bundle)
