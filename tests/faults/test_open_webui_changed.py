"""An administrator changes something on Open WebUI's page: what breaks the chat is named, the rest is no trouble."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import pytest

from fakes.open_webui import Person, administrator
from faults import administered
from faults.administered import DEAD, OURS, all_models, connections, model
from faults.links import Links
from faults.named import Probed
from stack.settings import ROOT, Settings
from stack.tools.process import run

Change = Callable[[Person], AbstractContextManager[None]]
ANSWER = "answer.open-webui"
LONG = "Be kind and brief, and say it in good words. " * 1000


@pytest.fixture(scope="module")
def admin(settings: Settings) -> Person:
    return administrator(settings)


@pytest.fixture(scope="module")
def loaded(settings: Settings) -> str:
    """The model that answers."""
    (found,) = httpx.get(f"http://127.0.0.1:{settings.foundry_port}/models/loaded", timeout=20).json()
    return str(found)


CONNECTIONS: dict[str, Change] = {
    "disabled": lambda admin: connections(admin, rules={"enable": False}),
    "all switched off": lambda admin: connections(admin, enabled=False),
    "without v1": lambda admin: connections(admin, OURS.removesuffix("/v1")),
    "with a slash at the end": lambda admin: connections(admin, f"{OURS}/"),
    "of another scheme": lambda admin: connections(admin, OURS.replace("http:", "https:")),
    "a prefix": lambda admin: connections(admin, rules={"prefix_id": "mine"}),
    "for other models": lambda admin: connections(admin, rules={"model_ids": ["gpt-4"]}),
    "as azure": lambda admin: connections(admin, rules={"azure": True, "api_version": "2024-10-21"}),
    "ours disabled, another one dead": lambda admin: connections(admin, OURS, DEAD, rules={"enable": False}),
}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change, id=name, marks=() if name == "disabled" else pytest.mark.full)
        for name, change in CONNECTIONS.items()
    ],
)
async def test_the_connection(probed: Probed, admin: Person, change: Change) -> None:
    with change(admin):
        await probed.fails(ANSWER, "webui-stored-settings-win")


@pytest.mark.full
async def test_the_key(probed: Probed, admin: Person) -> None:
    with connections(admin, key="one\ntwo"):
        await probed.fails(ANSWER, "webui-wrong-key")


NO_MATTER: dict[str, Change] = {
    "a wrong key": lambda admin: connections(admin, key="sk-of-another-server"),
    "a key with an accent": lambda admin: connections(admin, key="schlüssel"),
    "a dead one after ours": lambda admin: connections(admin, OURS, DEAD),
    "a dead one before ours": lambda admin: connections(admin, DEAD, OURS),
    "the other kind of API": lambda admin: connections(admin, rules={"api_type": "responses"}),
    "a prompt for all models": lambda admin: all_models(admin, DEFAULT_MODEL_PARAMS={"system": "Be kind."}),
}


@pytest.mark.full
@pytest.mark.parametrize("change", NO_MATTER.values(), ids=NO_MATTER)
async def test_what_does_no_harm(probed: Probed, admin: Person, change: Change) -> None:
    """The gateway brings the relay's token itself, so no key that is stored here can be a wrong one."""
    with change(admin):
        probed.something_happened()
        await probed.is_green()


@pytest.mark.full
@pytest.mark.parametrize("change", [{"is_active": False}, {"meta": {"hidden": True}}], ids=["off", "hidden"])
async def test_the_model_is_not_offered(probed: Probed, admin: Person, loaded: str, change: dict[str, object]) -> None:
    with model(admin, loaded, **change):
        await probed.fails(ANSWER, "webui-model-missing")


@pytest.mark.full
async def test_a_model_made_of_it_will_do(probed: Probed, admin: Person, loaded: str) -> None:
    with model(admin, loaded, meta={"hidden": True}), model(admin, "mine", base_model_id=loaded):
        probed.something_happened()
        await probed.is_green()


@pytest.mark.full
@pytest.mark.parametrize(
    "change",
    [
        lambda admin, _: all_models(admin, DEFAULT_MODEL_PARAMS={"max_tokens": 100_000}),
        lambda admin, loaded: model(admin, loaded, params={"max_tokens": 100_000}),
        lambda admin, loaded: model(admin, loaded, params={"system": LONG}),
    ],
    ids=["too long an answer, for all models", "too long an answer", "too long a prompt"],
)
async def test_too_much_for_the_model(
    probed: Probed, admin: Person, loaded: str, change: Callable[[Person, str], AbstractContextManager[None]]
) -> None:
    with change(admin, loaded):
        broken = await probed.fails(ANSWER, "context-too-long")
        assert broken.fix
        assert "max_tokens" in broken.fix


@pytest.mark.full
async def test_tools_that_the_model_does_not_know(probed: Probed, admin: Person) -> None:
    """What OPEN_WEBUI_EXTRAS=true sets at its start."""
    with all_models(admin, DEFAULT_MODEL_METADATA={"capabilities": {"builtin_tools": True}}):
        await probed.fails(ANSWER, "model-without-tools")


@pytest.mark.full
async def test_a_function_that_fails_has_no_name_but_its_words(probed: Probed, admin: Person) -> None:
    with administered.a_filter_that_raises(admin):
        broken = await probed.fails(ANSWER, "unknown")
        assert "over my limit" in broken.evidence


async def test_nothing_to_sign_in_with(probed: Probed, admin: Person) -> None:
    with administered.sign_in_form_off(admin):
        await probed.fails(ANSWER, "webui-sign-in-hidden")


@pytest.mark.full
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda admin: administered.change_probes_account(admin, role="pending"), "sign-in-refused"),
        (lambda admin: administered.change_probes_account(admin, password="another-one-123"), "sign-in-refused"),
        (administered.delete_probes_account, "sign-in-refused"),
        (administered.switch_sign_in_form_off, "webui-sign-in-hidden"),
    ],
    ids=["to wait", "another password", "deleted", "the form switched off"],
)
async def test_the_fix_for_a_sign_in_works_as_it_is_pasted(
    probed: Probed, links: Links, admin: Person, change: Callable[[Person], object], cause: str
) -> None:
    change(admin)
    try:
        broken = await probed.fails(ANSWER, cause)
        assert broken.fix
    except BaseException:
        links.container("open-webui").restart()
        raise
    assert run(["sh", "-c", broken.fix], cwd=ROOT).code == 0
    await probed.is_green()
