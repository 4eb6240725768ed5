"""The system library that Foundry Local needs: noticed when it is missing, and never installed without a yes."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import pytest

from stack.parts.foundry.system_library import install_system_library, system_library_is_missing
from stack.tools import apt
from stack.tools.errors import StackError
from stack.tools.progress import silent

on_debian = pytest.mark.skipif(not apt.is_debian_like(), reason="the package's name is Debian's")


@pytest.mark.skipif(sys.platform != "linux", reason="only there the runtime needs one")
def test_only_a_library_that_does_not_load_is_missing() -> None:
    assert system_library_is_missing("libnobody-has-this.so.1")
    assert not system_library_is_missing("libc.so.6")


@on_debian
def test_nothing_is_installed_without_a_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An apt-get that tells whether it was called stands first on the PATH."""
    called = tmp_path / "called"
    (tmp_path / "apt-get").write_text(f"#!/bin/sh\ntouch {called}\n")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(shutil.which('sh') or '').parent}")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())

    with pytest.raises(StackError) as refused:
        install_system_library(assume_yes=False, progress=silent, say=print)

    assert refused.value.cause == "consent-missing"
    assert "libatomic1" in refused.value.message
    assert not called.exists()
