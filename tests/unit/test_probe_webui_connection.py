"""Which of Open WebUI's stored connections lead to the model, and what is said of those that do not."""

from __future__ import annotations

from typing import Any

import pytest

from stack.probes.webui_connection import Connection, read, what_is_wrong

OURS = "http://host.docker.internal:51211/v1"
MODEL = "phi:1"


def ours(key: str = "", **rules: Any) -> Connection:
    return Connection(OURS, key, rules)


@pytest.mark.parametrize(
    ("connections", "said"),
    [
        ([ours()], None),
        ([Connection(f"{OURS}/")], "asks http://host.docker.internal:51211/v1/, not"),
        ([ours("schlüssel", enable=True, model_ids=[MODEL], prefix_id="", auth_type="none")], None),
        ([Connection("http://other/v1"), ours()], None),
        ([ours(enable=False), ours()], None),
        ([], "asks nobody"),
        ([Connection("http://other/v1")], "asks http://other/v1, not"),
        ([Connection(OURS.removesuffix("/v1"))], "not http://host.docker.internal:51211/v1"),
        ([ours(enable=False)], "is switched off"),
        ([ours(prefix_id="mine")], "'mine' before"),
        ([ours(model_ids=["gpt-4"])], "is for gpt-4 only"),
        ([ours(azure=True)], "Azure"),
        ([ours("two\nlines")], "can't be sent"),
        ([ours(enable=False), Connection("http://other/v1")], "switched off; Open WebUI asks http://other/v1"),
    ],
)
def test_what_is_wrong(connections: list[Connection], said: str | None) -> None:
    wrong = what_is_wrong(connections, OURS, MODEL)
    assert wrong is None if said is None else wrong and said in wrong.said


@pytest.mark.parametrize(
    ("connections", "cause"),
    [
        ([ours("two\nlines")], "webui-wrong-key"),
        ([ours("two\nlines", enable=False)], "webui-stored-settings-win"),
        ([Connection("http://other/v1", "two\nlines")], "webui-stored-settings-win"),
    ],
)
def test_only_a_key_that_alone_is_wrong_is_named(connections: list[Connection], cause: str) -> None:
    wrong = what_is_wrong(connections, OURS, MODEL)
    assert wrong is not None
    assert wrong.cause == cause


def test_other_models_only_matters_where_the_model_is_known() -> None:
    assert what_is_wrong([ours(model_ids=["gpt-4"])], OURS, None) is None


def test_the_database_has_lists() -> None:
    stored = {
        "openai.enable": True,
        "openai.api_base_urls": [OURS, "http://b"],
        "openai.api_keys": ["k"],
        "openai.api_configs": {"1": {"enable": False}},
    }
    assert read(stored) == [Connection(OURS, "k", {}), Connection("http://b", "", {"enable": False})]
    assert read(stored | {"openai.enable": False}) == []
    assert read({}) == []
