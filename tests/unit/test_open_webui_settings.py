"""What the stack decides about Open WebUI, and what it leaves to the administrator."""

from __future__ import annotations

import pytest

import own_settings
from own_settings import MODEL_METADATA, Knobs


@pytest.mark.parametrize("base", ["http://m:1", "http://m:1/", "http://m:1/v1", "http://m:1/v1/"])
def test_the_address_may_end_as_it_likes(base: str) -> None:
    assert Knobs.of({"BASE_URL": base}).base_url == "http://m:1/v1"


def test_nothing_extra_unless_asked_for() -> None:
    assert Knobs.of({}).extras is False
    assert Knobs.of({"OPEN_WEBUI_EXTRAS": " True "}).extras is True


def test_a_strange_switch_is_refused() -> None:
    with pytest.raises(SystemExit, match="OPEN_WEBUI_EXTRAS"):
        Knobs.of({"OPEN_WEBUI_EXTRAS": "yes"})


@pytest.mark.parametrize("extras", [False, True])
def test_the_switch_turns_all_of_them(extras: bool) -> None:
    stored = own_settings.stored(Knobs("http://m/v1", "", extras, ""), {})
    searching = "task.query.retrieval.enable"  # of use to nobody, as documents go to the model whole
    assert {value for key, value in stored.items() if key.startswith("task.") and key != searching} == {extras}
    assert stored[searching] is False
    assert stored[MODEL_METADATA] == {"capabilities": {"builtin_tools": extras}}


def test_other_metadata_is_kept() -> None:
    now = {"description": "mine", "capabilities": {"vision": False, "builtin_tools": True}}
    stored = own_settings.stored(Knobs("http://m/v1", "", False, ""), now)
    assert stored[MODEL_METADATA] == {
        "description": "mine",
        "capabilities": {"vision": False, "builtin_tools": False},
    }
    assert now["capabilities"] == {"vision": False, "builtin_tools": True}


def test_no_preference_is_stored_at_each_start() -> None:
    stored = own_settings.stored(Knobs("http://m/v1", "k", False, ""), {})
    namespaces = {key.partition(".")[0] for key in stored}
    assert namespaces == {"openai", "ollama", "task", "models", "ui"}
    assert {key for key in stored if key.startswith("ui.")} == {"ui.enable_login_form"}


def test_no_secret_is_in_the_environment_that_others_see() -> None:
    names = own_settings.environment(Knobs("http://m/v1", "k", False, "http://o"))
    assert not [name for name in names if "SECRET" in name or "PASSWORD" in name]
    assert names["CORS_ALLOW_ORIGIN"] == "http://o"
