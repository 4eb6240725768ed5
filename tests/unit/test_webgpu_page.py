"""The WebGPU demo's scripts: their types, their style, and their own tests, run by Node.js."""

import pytest

from fakes.node_packages import installed, node


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    installed()


@pytest.mark.parametrize("script", ["types", "lint", "test"])
def test_script(script: str) -> None:
    done = node("npm", "run", script)
    assert done.code == 0, done.out + done.err
