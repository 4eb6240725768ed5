"""Which of `scripts/test.py`'s arguments are its own, and which ones pytest's."""

import pytest

from stack.commands import test as command
from stack.commands.test import split


@pytest.mark.parametrize(
    ("given", "mine", "for_pytest"),
    [
        ("", "", ""),
        ("unit", "unit", ""),
        ("-k relay", "", "-k relay"),
        ("-k unit", "", "-k unit"),  # the value of an option, and no folder
        ("unit -k relay -x", "unit", "-k relay -x"),
        ("--yes faults -k all --lf", "--yes faults", "-k all --lf"),
        ("unit -x --yes", "unit --yes", "-x"),
        ("unit -- --debug -k x", "unit", "--debug -k x"),
        ("-- unit", "", "unit"),
        ("unti", "", "unti"),  # pytest says that there is no such file
    ],
)
def test_everything_from_the_first_foreign_argument_on_is_pytests(given: str, mine: str, for_pytest: str) -> None:
    assert split(given.split()) == (mine.split(), for_pytest.split())


def test_no_test_asks_a_cloud_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_URL", "https://api.openai.com/v1")
    monkeypatch.setenv("CLOUD_API_KEY", "sk-1")
    monkeypatch.setenv("BASE_IMAGE", "kept")
    knobs = command._own_knobs()
    assert (knobs["CLOUD_URL"], knobs["CLOUD_API_KEY"], knobs["BASE_IMAGE"]) == ("", "", "kept")
