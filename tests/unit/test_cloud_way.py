"""The way to the cloud without a stack: which addresses may be asked, what the overlay adds, and who has the key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx2
import openai
import pytest
import yaml
from docker import DockerClient

from chat.problems import STACK_ERRORS, from_openai
from fakes import cloud_addresses
from stack.commands import up
from stack.parts import cloud_way, containers, made_secrets, rotation
from stack.parts.relay import cloud, cloud_answers
from stack.probes.causes import CATALOGUE
from stack.reports.stages import Stages
from stack.settings import ROOT, Settings, default_values
from stack.tools.cloud_address import CloudAddress
from stack.tools.process import Finished
from stack.tools.progress import silent

TEXT = (ROOT / containers.CLOUD_OVERLAY).read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
CLOUD = "https://api.openai.com/v1"
KEY = "sk-the-clouds-own-key"
BEARER, AZURE = ("Authorization", "Bearer "), ("api-key", "")
NO_ENGINE = cast(DockerClient, None)


# --- which addresses ---


@pytest.mark.parametrize(
    ("url", "completions", "key"),
    [
        (CLOUD, f"{CLOUD}/chat/completions", BEARER),
        (f"{CLOUD}/", f"{CLOUD}/chat/completions", BEARER),
        (f"{CLOUD}/chat/completions", f"{CLOUD}/chat/completions", BEARER),
        ("https://API.Example:8443", "https://api.example:8443/v1/chat/completions", BEARER),
        ("http://127.0.0.1:9000/v1", "http://127.0.0.1:9000/v1/chat/completions", BEARER),
        ("http://[::1]:9000/v1", "http://[::1]:9000/v1/chat/completions", BEARER),
        ("https://us.openai.azure.com", "https://us.openai.azure.com/openai/v1/chat/completions", AZURE),
        (
            "https://us.services.ai.azure.com/openai/v1/",
            "https://us.services.ai.azure.com/openai/v1/chat/completions",
            AZURE,
        ),
        (
            "https://us.openai.azure.com/openai/deployments/big-4/chat/completions?api-version=2024-10-21",
            "https://us.openai.azure.com/openai/deployments/big-4/chat/completions?api-version=2024-10-21",
            AZURE,
        ),
        (
            "https://azure.company.example/openai/deployments/big-4?api-version=2024-10-21",
            "https://azure.company.example/openai/deployments/big-4/chat/completions?api-version=2024-10-21",
            AZURE,
        ),
    ],
)
def test_an_address_as_a_providers_page_shows_it(url: str, completions: str, key: tuple[str, str]) -> None:
    found = CloudAddress.parse(url)
    assert (found.completions, (found.key_header, found.key_prefix)) == (completions, key)
    assert CloudAddress.parse(found.completions) == found, "what is written down for the relay is read again"


@pytest.mark.parametrize(("url", "version", "completions"), cloud_addresses.UNDERSTOOD)
def test_an_address_means_here_what_it_means_to_the_chat(url: str, version: str, completions: str) -> None:
    assert CloudAddress.parse(url, model=cloud_addresses.MODEL, version=version).completions == completions


@pytest.mark.parametrize("url", cloud_addresses.REFUSED)
def test_what_the_chat_refuses_is_refused_here(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        CloudAddress.parse(url)


def test_an_older_azure_is_asked_by_deployment_and_version() -> None:
    found = CloudAddress.parse("https://us.openai.azure.com", model="big-4", version="2024-10-21")
    assert found.completions.endswith("/openai/deployments/big-4/chat/completions?api-version=2024-10-21")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("api.openai.com/v1", "must be an address"),
        ("ftp://api.openai.com/v1", "must be an address"),
        ("https://", "must be an address"),
        ("http://api.openai.com/v1", "must begin with https"),
        ("http://192.168.1.5:9000/v1", "must begin with https"),
        ("http://localhost:9000/v1", "must begin with https"),  # a name leads where somebody's resolver says
        ("http://127.0.0.1.evil.example/v1", "must begin with https"),
        ("https://user:secret@api.openai.com/v1", "neither a user"),
        ("https://api.openai.com/v1#x", "neither a user"),
        ("https://api.openai.com/v1?key=secret", "nothing but api-version"),
        ("https://api.openai.com/v1/../admin", "characters"),
        ("https://api.openai.com/v1/%2e%2e/admin", "characters"),
        ("https://api.openai.com/v1 /x", "characters"),
        ("https://us.openai.azure.com/openai/deployments/big-4", "api-version"),
        ("https://us.openai.azure.com/openai/deployments/", "deployment's name"),
    ],
)
def test_an_address_that_can_not_be_used_says_why_and_repeats_no_secret(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        CloudAddress.parse(url)
    assert "secret" not in str(refused.value)


# --- off by default, and the key ---


def settings(folder: Path, **knobs: str) -> Settings:
    given = {name: knobs.get(name, "") for name in ("cloud_url", "cloud_api_key", "cloud_model", "cloud_api_version")}
    return Settings(state_dir=folder, **given)  # type: ignore[arg-type]


def test_by_default_there_is_none() -> None:
    assert {knob: value for knob, value in default_values().items() if knob.startswith("CLOUD_")} == {
        "CLOUD_URL": "",
        "CLOUD_MODEL": "",
        "CLOUD_API_KEY": "",
        "CLOUD_API_VERSION": "",
    }


def test_the_key_goes_to_no_container_and_is_not_shown(tmp_path: Path) -> None:
    mine = settings(tmp_path, cloud_url=CLOUD, cloud_api_key=KEY)
    assert mine.as_environment["CLOUD_URL"] == CLOUD
    assert "CLOUD_API_KEY" not in mine.as_environment
    assert KEY not in repr(mine)
    for name in ("compose.yaml", "compose.dev.yaml", containers.CLOUD_OVERLAY):
        assert "CLOUD_API_KEY" not in (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "run_once", lambda *_: None)
    monkeypatch.setattr(made_secrets, "read", lambda _, service, name: f"made-{service}-{name}")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)


@pytest.mark.usefixtures("token")
def test_what_is_laid_for_the_relay_is_what_it_reads_and_for_the_user_only(tmp_path: Path) -> None:
    mine = settings(tmp_path, cloud_url="https://us.openai.azure.com", cloud_api_key=KEY)
    cloud_way.lay(mine, NO_ENGINE)
    file = cloud_way.file(mine)
    found = cloud.parse(file.read_text(encoding="utf-8"))
    assert found is not None
    assert (found.address, found.key, found.token) == (mine.cloud, KEY, "made-gateway-cloud-token")
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("token")
def test_where_none_is_set_nothing_is_laid_and_what_lay_there_is_taken_away(tmp_path: Path) -> None:
    cloud_way.lay(settings(tmp_path), NO_ENGINE)
    assert not cloud_way.file(settings(tmp_path)).exists()
    cloud_way.lay(settings(tmp_path, cloud_url=CLOUD), NO_ENGINE)
    assert cloud_way.file(settings(tmp_path)).exists()
    cloud_way.lay(settings(tmp_path), NO_ENGINE)
    assert not cloud_way.file(settings(tmp_path)).exists()


@pytest.mark.usefixtures("token")
def test_a_chat_that_knows_of_one_cloud_is_not_led_to_another(tmp_path: Path) -> None:
    old, new = (settings(tmp_path, cloud_url=url) for url in (CLOUD, "https://api.example/v1"))
    cloud_way.lay(old, NO_ENGINE)
    cloud_way.close_to_others(old)
    assert cloud_way.file(old).exists()
    cloud_way.close_to_others(new)
    assert not cloud_way.file(new).exists()
    cloud_way.lay(old, NO_ENGINE)
    cloud_way.close_to_others(settings(tmp_path))
    assert not cloud_way.file(old).exists()


def test_the_way_is_open_when_the_chat_has_been_told_whom_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def note(what: str) -> Callable[..., None]:
        return lambda *_, **__: done.append(what)

    for module, names in {
        up.cloud_way: ("lay", "close_to_others"),
        up.containers: ("start",),
        up.keeping: ("finish",),
        up.relay_token: ("fetch",),
        up.rotation: ("take_up",),
        up.foundry: ("ensure",),
        up.relay: ("start",),
        up.probes: ("run",),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, note(f"{module.__name__.rpartition('.')[2]}.{name}"))
    ground = up.Ground(settings(tmp_path, cloud_url=CLOUD), NO_ENGINE, [])
    up.start_host(ground, Stages())
    up.start_pages(ground, Stages())
    told = [each for each in done if each.startswith(("cloud_way", "containers"))]
    assert told == ["cloud_way.close_to_others", "containers.start", "cloud_way.lay"]


@pytest.mark.parametrize("broken", ["", "{}", "[]", '{"url": "https://x/v1", "key": "", "token": ""}', "null"])
def test_a_file_that_says_nothing_opens_nothing(broken: str) -> None:
    try:
        found = cloud.parse(broken)
    except ValueError:
        found = None
    assert found is None


def test_certificates_that_are_gone_open_nothing(tmp_path: Path) -> None:
    written = {"url": CLOUD, "key": "", "token": "t", "ca_bundle": str(tmp_path / "gone.pem")}
    with pytest.raises(OSError, match=r"gone\.pem|No such file"):
        cloud.parse(json.dumps(written))


def test_a_new_token_is_taken_up_by_both_who_know_it() -> None:
    assert rotation.users_of([rotation.CLOUD_TOKEN]) == ["gateway", "chainlit"]
    assert rotation.users_of([rotation.TOKEN]) == ["gateway"]


# --- the overlay ---


def test_the_overlay_opens_the_door_and_loosens_nothing() -> None:
    assert {name: set(service) for name, service in SERVICES.items()} == {
        "gateway": {"environment"},
        "chainlit": {"environment"},
    }
    assert SERVICES["gateway"]["environment"] == {"CLOUD_DOOR": "open"}
    assert SERVICES["chainlit"]["environment"]["CLOUD_URL"] == "http://host.docker.internal:51211/cloud/v1"
    assert "CLOUD_DOOR" not in (ROOT / "compose.yaml").read_text(encoding="utf-8")


def test_every_knob_of_the_overlay_has_the_default_that_the_example_file_states() -> None:
    found = re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", TEXT)
    assert len(found) == TEXT.count("${")
    stated = default_values()
    for knob, default in found:
        assert stated.get(knob, "not in .env.example") == default, knob


@pytest.mark.parametrize(
    ("cloud_url", "development", "users_own", "files"),
    [
        ("", None, True, []),  # Compose finds both itself
        (CLOUD, None, False, ["compose.yaml", "compose.cloud.yaml"]),
        (CLOUD, None, True, ["compose.yaml", "compose.cloud.yaml", "compose.override.yaml"]),
        (CLOUD, "compose.dev.yaml", True, ["compose.yaml", "compose.cloud.yaml", "compose.dev.yaml"]),
        ("", "compose.dev.yaml", True, ["compose.yaml", "compose.dev.yaml"]),
    ],
)
def test_up_lays_it_where_a_cloud_is_set(  # noqa: PLR0917
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cloud_url: str,
    development: str | None,
    users_own: bool,
    files: list[str],
) -> None:
    if users_own:
        (tmp_path / "compose.override.yaml").touch()
    asked: list[list[str]] = []

    def compose(arguments: list[str], **_: object) -> Finished:
        asked.append(arguments)
        return Finished(0, "", "")

    monkeypatch.setattr(containers, "compose", compose)
    monkeypatch.setattr(containers, "ROOT", tmp_path)
    containers.start(settings(tmp_path, cloud_url=cloud_url), silent, overlay=development)
    (arguments,) = asked
    before = arguments[: arguments.index("up")]
    assert before == [each for name in files for each in ("--file", name)]


# --- what is said about it ---


def test_each_code_of_the_relay_has_advice_in_the_chat_and_a_cause_for_the_probe() -> None:
    text = Path(cloud_answers.__file__).read_text(encoding="utf-8")
    codes = set(re.findall(r'"(cloud-[a-z-]+)"', text))
    assert len(codes) == 9
    assert codes <= STACK_ERRORS.keys()
    assert codes <= CATALOGUE.keys()


def test_the_gateway_says_the_same_codes() -> None:
    text = (ROOT / "services" / "gateway" / "conf.d" / "foundry.conf").read_text(encoding="utf-8")
    assert set(re.findall(r'"(cloud-[a-z-]+)"', text)) == {"cloud-not-configured", "cloud-not-allowed"}


@pytest.mark.parametrize(("said", "shown"), [("No such model: `big`", "`No such model: 'big'`"), ("", "")])
def test_the_chat_shows_what_the_cloud_says(said: str, shown: str) -> None:
    refusal = cloud_answers.of_status(
        "api.openai.com", 404, code="", said=cloud_answers.quoted(said, KEY), retry_after=""
    )
    body = {"message": refusal.message, "type": "stack_error", "code": refusal.code}
    answer = httpx2.Response(refusal.status, request=httpx2.Request("POST", "http://host.docker.internal"))
    problem = from_openai(openai.APIStatusError(refusal.message, response=answer, body=body), root="")
    assert problem.cause == "cloud-address-wrong"
    assert (shown in problem.what) and ("It says" in problem.what) == bool(said)
    assert problem.private == bool(said), "it may quote the user, and is not for the log"


def test_the_cloud_can_not_have_the_key_shown() -> None:
    said = cloud_answers.quoted(f"Incorrect API key: {KEY}\n{'x' * 1000}", KEY, "token")
    assert KEY not in said
    assert "\n" not in said
    assert len(said) < 400
