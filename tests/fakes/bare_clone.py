"""A clone of the repository in small: the real bootstrap, one script, and a lock of packages made on the spot."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from stack.settings import ROOT

SCRIPT = """\
import sys
from pathlib import Path
from stack.bootstrap import enter
extra = Path(__file__).parents[1] / "tests" / "requirements.lock"
enter(extra_lock=extra if "--tests" in sys.argv else None)
from importlib.metadata import distributions
found = sorted(f"{each.name}=={each.version}" for each in distributions() if each.name not in ("pip", "setuptools"))
print(sys.prefix, sys.argv[1:], found)
"""


@dataclass(frozen=True)
class Clone:
    """The clone's folder, and the folder that pip is configured to find packages in (and nowhere else)."""

    folder: Path
    wheels: Path

    @property
    def environment(self) -> Path:
        return self.folder / ".venv"

    def lock(self, *packages: str, file: str = "scripts/requirements.lock") -> None:
        """Make the packages (``name==version``), and lock them with their hashes."""
        lines = [f"{package} --hash=sha256:{_make_wheel(self.wheels, package)}" for package in packages]
        (self.folder / file).write_text("\n".join(lines) + "\n")

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Run the script as a user would, with the Python that is on the machine."""
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return subprocess.Popen(
            [_machine_python(), "scripts/hello.py", *arguments],
            cwd=self.folder,
            env={**_as_on_any_machine(), **pip, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **env: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of a whole run."""
        script = self.start(*arguments, **env)
        out, err = script.communicate(timeout=120)
        return script.returncode, out, err


def make_clone(folder: Path) -> Clone:
    """A clone that needs the package ``first`` in version 1."""
    clone = Clone(folder / "clone", folder / "wheels")
    for sub in (clone.folder / "scripts" / "stack" / "tools", clone.folder / "tests", clone.wheels):
        sub.mkdir(parents=True)
    for path in ("__init__.py", "bootstrap.py"):
        shutil.copy(ROOT / "scripts" / "stack" / path, clone.folder / "scripts" / "stack")
    for module in (ROOT / "scripts" / "stack" / "tools").glob("*.py"):
        shutil.copy(module, clone.folder / "scripts" / "stack" / "tools")
    (clone.folder / "scripts" / "hello.py").write_text(SCRIPT)
    clone.lock("first==1")
    return clone


def _make_wheel(folder: Path, package: str) -> str:
    name, version = package.split("==")
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in files.items()) + f"{info}/RECORD,,\n"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _digest(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _machine_python() -> str:
    return getattr(sys, "_base_executable", sys.executable)


def _as_on_any_machine() -> dict[str, str]:
    others = ("PIP_", "SUDO_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}
