"""One typed object with every knob, read once: the environment, over `.env`, over the defaults in `.env.example`."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stack.tools.cloud_address import CloudAddress
from stack.tools.errors import StackError

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS_FILE = ROOT / ".env.example"
USER_FILE = ROOT / ".env"
ENCODING = "utf-8-sig"  # an editor's byte order mark is no error
PORTS = ("chainlit_port", "open_webui_port", "webgpu_port", "monitor_port", "foundry_port")
MISSPELT = 0.88  # how much a key is like a knob (by difflib) to be taken for it: CHAINLT_PORT is, CHAINLIT_HOST is not

Port = Annotated[int, Field(ge=1024, le=65535)]
Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]*[mMgG]$")]
Cpus = Annotated[float, Field(ge=0.01)]  # Docker's own least; the most is the engine's to say


PLAIN_WORDS = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
}


class Settings(BaseSettings):
    """Every knob. What each one means stands in `.env.example`, which also holds the defaults."""

    model_config = SettingsConfigDict(
        env_file=(DEFAULTS_FILE, USER_FILE),
        env_file_encoding=ENCODING,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    compose_project_name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    image_tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
    base_image: Annotated[str, Field(min_length=1)]
    base_image_bookworm: Annotated[str, Field(min_length=1)]
    build_ca_bundle: Path
    chainlit_port: Port
    open_webui_port: Port
    webgpu_port: Port
    monitor_port: Port
    open_webui_image: Annotated[str, Field(min_length=1)]
    open_webui_extras: Literal["true", "false"]
    foundry_port: Port
    foundry_url: str
    model: Annotated[str, Field(min_length=1)]
    device: Literal["auto", "cpu", "gpu", "npu"]
    catalog_url: str
    temperature: Annotated[float, Field(ge=0, le=2)]
    top_p: Annotated[float, Field(gt=0, le=1)]
    max_tokens: Annotated[int, Field(ge=1)]
    system_prompt: str
    hold_conversations: Annotated[int, Field(ge=0, le=64)]
    hold_tokens: Annotated[int, Field(ge=0)]
    answers_at_once: Annotated[int, Field(ge=1)]
    line_length: Annotated[int, Field(ge=0)]
    cloud_model: str
    cloud_api_version: str
    cloud_api_key: SecretStr
    cloud_url: str  # after those that its check looks at
    routing: Literal["local", "local-first", "complexity", "task"]
    routing_threshold: Annotated[int, Field(ge=1)]
    routing_seconds: Annotated[float, Field(gt=0)]
    chainlit_database_url: Annotated[str, Field(pattern=r"^(sqlite|postgresql(\+psycopg)?)://")]
    gateway_rate: Annotated[int, Field(ge=10, le=100_000)]
    gateway_memory: Memory
    gateway_cpus: Cpus
    chainlit_memory: Memory
    chainlit_cpus: Cpus
    open_webui_memory: Memory
    open_webui_cpus: Cpus
    webgpu_memory: Memory
    webgpu_cpus: Cpus
    monitor_memory: Memory
    monitor_cpus: Cpus
    monitor_interval: Annotated[int, Field(ge=5, le=86400)]
    state_dir: Path
    backup_dir: Path
    backup_keep: Annotated[int, Field(ge=1)]

    @field_validator("foundry_url")
    @classmethod
    def _auto_own_or_url(cls, value: str) -> str:
        if value in ("auto", "own") or re.fullmatch(r"http://[^\s/]+:\d+/?", value):
            return value.rstrip("/")
        raise ValueError("must be auto, own, or an address such as http://127.0.0.1:5273")

    @field_validator("cloud_url")
    @classmethod
    def _nothing_or_a_cloud(cls, value: str, others: ValidationInfo) -> str:
        if value:
            _cloud_address(value, **others.data)
        return value

    @field_validator("cloud_api_key")
    @classmethod
    def _fits_into_a_header(cls, value: SecretStr) -> SecretStr:
        if re.fullmatch(r"[!-~]*", value.get_secret_value()):
            return value
        raise ValueError("holds a character that no key has, such as a space or a line break")

    @property
    def cloud(self) -> CloudAddress | None:
        """The one place outside that may be asked; None: nothing may leave."""
        return _cloud_address(**dict(self)) if self.cloud_url else None

    @property
    def open_webui_is_built_here(self) -> bool:
        """Whether Open WebUI comes from packages, and not from an image that somebody published."""
        return self.open_webui_image == "from-packages"

    @property
    def state(self) -> Path:
        """The folder of this project's pid files, logs and token (absolute); see `.env.example`, STATE_DIR."""
        return (ROOT / self.state_dir / self.compose_project_name).resolve()

    @property
    def models(self) -> Path:
        """Foundry Local's model cache, shared by all projects of this clone (absolute)."""
        return (ROOT / self.state_dir / "models").resolve()

    @property
    def backups(self) -> Path:
        """The folder with the backups (absolute)."""
        return (ROOT / self.backup_dir.expanduser()).resolve()

    @property
    def as_environment(self) -> dict[str, str]:
        """The knobs as `docker compose` wants to see them: so what compose uses is what the scripts read.

        A key of the cloud's is none of them: it stays on the host.
        """
        knobs = {name.upper(): getattr(self, name) for name in type(self).model_fields}
        return {name: str(value) for name, value in knobs.items() if not isinstance(value, SecretStr)}


def _cloud_address(cloud_url: str, cloud_model: str = "", cloud_api_version: str = "", **_: object) -> CloudAddress:
    return CloudAddress.parse(cloud_url, model=cloud_model, version=cloud_api_version)


def load() -> Settings:
    """Read the settings.

    Raises:
        StackError: ``bad-env-file`` with line and key, for a line that can't be read, a key that is a misspelt knob, or
            a value that can't be used.
    """
    _refuse_bad_lines()
    try:
        settings = Settings()
    except ValidationError as invalid:
        problem = invalid.errors()[0]
        key, reason = str(problem["loc"][0]).upper(), problem["msg"].removeprefix("Value error, ")
        reason = PLAIN_WORDS.get(problem["type"], reason)
        raise _bad_value(key, reason) from invalid
    _refuse_a_port_twice(settings)
    return settings


def default_values() -> dict[str, str]:
    """Every knob with its default, as `.env.example` has it."""
    return {key: value or "" for key, value in dotenv_values(DEFAULTS_FILE, encoding=ENCODING).items()}


def _refuse_bad_lines() -> None:
    """A line that says nothing, or a key that nobody would read; other keys (people keep Compose's there) pass."""
    knobs = default_values()
    for binding in _lines_of_the_user():
        if binding.error:
            line = binding.original.string.strip()
            raise _bad_file(
                f".env, line {binding.original.line}: can't be read: {_hide_value(line)!r}.",
                fix="Write it as KEY=value, or start the line with # to make it a comment.",
            )
        if meant := _meant((binding.key or "").upper(), knobs):
            raise _bad_file(
                f".env, line {_line(binding)}: {binding.key}: there is no such knob. Did you mean {meant}?",
                fix=f"Write {meant}; `.env.example` lists every knob. One of your own needs a name less like it.",
            )


def _meant(key: str, knobs: Collection[str]) -> str | None:
    """The knob that a key is a misspelling of."""
    if key in knobs:
        return None
    swapped = {key[:at] + key[at + 1] + key[at] + key[at + 2 :] for at in range(len(key) - 1)}  # difflib: little alike
    return next(iter(swapped & set(knobs) or difflib.get_close_matches(key, knobs, n=1, cutoff=MISSPELT)), None)


def _refuse_a_port_twice(settings: Settings) -> None:
    for first, second in combinations(PORTS, 2):
        if getattr(settings, first) == getattr(settings, second):
            one, other = first.upper(), second.upper()
            if _where(one) == DEFAULTS_FILE.name:  # then it is the other that the user has set
                one, other = other, one
            raise _bad_value(one, f"must be another port than {other}")


def _bad_value(key: str, reason: str) -> StackError:
    return _bad_file(
        f"{_where(key)}: {key}: {reason}.",
        fix=f"Correct the value; `.env.example` explains {key} and shows its default.",
    )


def _bad_file(message: str, fix: str) -> StackError:
    return StackError(message, fix=fix, cause="bad-env-file", exit_code=2)


def _where(key: str) -> str:
    if key in os.environ or key.lower() in os.environ:
        return "The environment"
    for binding in _lines_of_the_user():
        if binding.key and binding.key.upper() == key:
            return f".env, line {_line(binding)}"
    return DEFAULTS_FILE.name


def _lines_of_the_user() -> list[Binding]:
    if not USER_FILE.exists():
        return []
    with USER_FILE.open(encoding=ENCODING) as text:
        return list(parse_stream(text))


def _line(binding: Binding) -> int:
    """Where the key stands; the parser counts from the blank lines before it."""
    text = binding.original.string
    return binding.original.line + len(text) - len(text.lstrip("\n"))


def _hide_value(line: str) -> str:
    return line.split("=", 1)[0] + ("=..." if "=" in line else "")
