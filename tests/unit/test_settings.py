"""Settings: the environment over `.env` over `.env.example`, and every mistake named by line and key."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stack import settings as module
from stack.settings import DEFAULTS_FILE, ROOT, Settings, default_values, load
from stack.tools.errors import StackError

WriteEnv = Callable[[bytes], None]


@pytest.fixture
def write_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteEnv:
    """Writes a `.env` that `load` reads instead of the user's; no knob comes from the environment."""
    for key in default_values():
        monkeypatch.delenv(key, raising=False)
    file = tmp_path / ".env"
    monkeypatch.setattr(module, "USER_FILE", file)
    monkeypatch.setitem(Settings.model_config, "env_file", (DEFAULTS_FILE, file))
    return file.write_bytes  # type: ignore[return-value]


def test_without_env_file_the_defaults_hold(write_env: WriteEnv) -> None:
    assert load().foundry_port == int(default_values()["FOUNDRY_PORT"])


def test_env_file_wins_over_defaults_and_environment_over_both(
    write_env: WriteEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_env(b"MODEL=from-file\nCHAINLIT_PORT=18080\n")
    monkeypatch.setenv("CHAINLIT_PORT", "28080")
    assert (load().model, load().chainlit_port) == ("from-file", 28080)


def test_byte_order_mark_and_crlf_are_fine(write_env: WriteEnv) -> None:
    write_env(b"\xef\xbb\xbfMODEL=phi-4-mini\r\nDEVICE=cpu\r\n")
    assert (load().model, load().device) == ("phi-4-mini", "cpu")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"MODEL=auto\nfoo bar baz\n", ".env, line 2"),
        (b"\n# comment\n\nCHAINLIT_PORT=80x\n", ".env, line 4: CHAINLIT_PORT"),
        (b"DEVICE=tpu\n", ".env, line 1: DEVICE"),
        (b"CHAINLIT_PORT=80\n", ".env, line 1: CHAINLIT_PORT"),
        (b"FOUNDRY_PORT=18080\n\nCHAINLIT_PORT=18080\n", ".env, line 3: CHAINLIT_PORT: must be another"),
        (b"CHAINLIT_PORT=3000\n", ".env, line 1: CHAINLIT_PORT: must be another port than OPEN_WEBUI_PORT"),
        (b"WEBGPU_PORT=8080\n", ".env, line 1: WEBGPU_PORT: must be another port than CHAINLIT_PORT"),
        (b"WEBGPU_PORT=3000\n", ".env, line 1: WEBGPU_PORT: must be another port than OPEN_WEBUI_PORT"),
        (b"MONITOR_PORT=8080\n", ".env, line 1: MONITOR_PORT: must be another port than CHAINLIT_PORT"),
        (b"FOUNDRY_PORT=5173\n", ".env, line 1: FOUNDRY_PORT: must be another port than WEBGPU_PORT"),
        (b"OPEN_WEBUI_PORT=51211\n", ".env, line 1: OPEN_WEBUI_PORT: must be another port than FOUNDRY_PORT"),
        (b"# mine\n\nCHAINLT_PORT=9\n", ".env, line 3: CHAINLT_PORT: there is no such knob. Did you mean CHAINLIT_P"),
        (b"export GATEWAY_MEM=64m\n", "Did you mean GATEWAY_MEMORY?"),
        (b"MODLE=phi-4\n", ".env, line 1: MODLE: there is no such knob. Did you mean MODEL?"),
        (b"omdel=phi-4\n", "Did you mean MODEL?"),
        (b"DEVIEC=cpu\n", "Did you mean DEVICE?"),
        (b"FOUNDRY_URL=localhost:5273\n", ".env, line 1: FOUNDRY_URL"),
        (b"COMPOSE_PROJECT_NAME=My Stack\n", ".env, line 1: COMPOSE_PROJECT_NAME"),
        (b"CLOUD_URL=http://api.openai.com/v1\n", ".env, line 1: CLOUD_URL: must begin with https://"),
        (b"CLOUD_URL=https://x.openai.azure.com\nCLOUD_API_VERSION=2024-10-21\n", "deployment's name"),
        (b"CLOUD_API_KEY='sk 1'\n", ".env, line 1: CLOUD_API_KEY: holds a character"),
        (b"CLOUD_APIKEY=sk-1\n", "Did you mean CLOUD_API_KEY?"),
    ],
)
def test_a_mistake_is_named_by_line_and_key(write_env: WriteEnv, content: bytes, said: str) -> None:
    write_env(content)
    with pytest.raises(StackError) as caught:
        load()
    assert said in caught.value.message
    assert caught.value.exit_code == 2


def test_a_key_of_the_users_own_passes(write_env: WriteEnv) -> None:
    write_env(
        b"COMPOSE_FILE=a.yaml\nCOMPOSE_PROFILES=x\nPATH=/bin\nMODEM=x\nDEVICES_DIR=x\nHTTP_PROXY=http://p:1\nDOCKER_HOST=unix:///x\nCHAINLIT_HOST=::1\nmodel=mine\n"
    )
    assert load().model == "mine"


def test_a_secret_in_a_broken_line_is_not_repeated(write_env: WriteEnv) -> None:
    write_env(b"API KEY=hunter2\n")
    with pytest.raises(StackError) as caught:
        load()
    assert "hunter2" not in caught.value.message


def test_every_setting_is_a_documented_knob() -> None:
    assert {name.upper() for name in Settings.model_fields} <= set(default_values())


def test_every_knob_is_explained() -> None:
    blocks = re.split(r"\n\n", DEFAULTS_FILE.read_text(encoding="utf-8"))
    for key in default_values():
        (block,) = [block for block in blocks if re.search(rf"^{key}=", block, re.MULTILINE)]
        assert block.startswith("#"), f"{key} has no explanation above it"


def test_state_folders_are_inside_the_clone(write_env: WriteEnv) -> None:
    settings = load()
    assert settings.state.is_relative_to(ROOT)
    assert settings.state.name == settings.compose_project_name


def test_a_copy_has_folders_of_its_own(write_env: WriteEnv, tmp_path: Path) -> None:
    settings = load()
    assert settings.state.name == settings.compose_project_name  # asked, so that it could have been kept
    copy = settings.model_copy(update={"compose_project_name": "other", "state_dir": tmp_path})
    assert (copy.state, copy.models) == (tmp_path / "other", tmp_path / "models")
