"""Whose questions are the probe's and the monitor's."""

import pytest

from chat.checks import is_check
from stack.probes.chat import PROBE_ACCOUNT, _Session


@pytest.mark.parametrize(
    ("account", "name", "check"),
    [
        ("probe@localhost", "probe", True),
        ("monitor@localhost", "probe", True),
        ("anna", "probe", False),
        ("probe@localhost", "anna", True),
        (None, "probe", True),
        (None, "User", False),
    ],
)
def test_the_account_counts_and_without_one_the_name(account: str | None, name: str, check: bool) -> None:
    assert is_check(account, name) is check


def test_the_probe_is_known_either_way() -> None:
    name = _Session("Well?").client_message()["message"]["name"]
    assert is_check(PROBE_ACCOUNT, name)
    assert is_check(None, name)
