"""The checks that only need HTTP run where there is no Docker SDK and none of the host's files."""

from __future__ import annotations

import sys

from stack.settings import ROOT
from stack.tools.process import run

WITHOUT = """
import sys
for missing in ("docker", "psutil", "pydantic", "pydantic_settings", "rich", "stack.settings", "stack.parts"):
    sys.modules[missing] = None
import stack.probes.answer, stack.probes.inside, stack.probes.schedule, stack.probes.way, stack.probes.webgpu
print(stack.probes.upstream.matching(["phi-4-generic-cpu:1"], "phi-4"))
"""


def test_http_checks_import_nothing_of_the_host() -> None:
    done = run([sys.executable, "-c", WITHOUT], env={"PYTHONPATH": str(ROOT / "scripts")})
    assert done.out.strip() == "['phi-4-generic-cpu:1']", done.err


def test_the_look_from_inside_needs_the_standard_library_only() -> None:
    program = (ROOT / "scripts" / "stack" / "probes" / "inside.py").read_text(encoding="utf-8")
    done = run([sys.executable, "-I", "-S", "-c", program, "http://no-such-name.invalid:1/"])
    assert '"failed_at": "name"' in done.out, done.err
