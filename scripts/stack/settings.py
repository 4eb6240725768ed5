"""One typed object with every knob, read once: the environment, over `.env`, over the defaults in `.env.example`."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stack.tools.errors import StackError

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS_FILE = ROOT / ".env.example"
USER_FILE = ROOT / ".env"
ENCODING = "utf-8-sig"  # an editor's byte order mark is no error

Port = Annotated[int, Field(ge=1024, le=65535)]
Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]*[mMgG]$")]
Cpus = Annotated[float, Field(gt=0)]


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
    open_webui_image: Annotated[str, Field(min_length=1)]
    open_webui_extras: Literal["true", "false"]
    foundry_port: Port
    foundry_url: str
    model: Annotated[str, Field(min_length=1)]
    device: Literal["auto", "cpu", "gpu", "npu"]
    catalog_url: str
    temperature: Annotated[float, Field(ge=0, le=2)]
    max_tokens: Annotated[int, Field(ge=1)]
    system_prompt: str
    gateway_memory: Memory
    gateway_cpus: Cpus
    chainlit_memory: Memory
    chainlit_cpus: Cpus
    open_webui_memory: Memory
    open_webui_cpus: Cpus
    webgpu_memory: Memory
    webgpu_cpus: Cpus
    state_dir: Path

    @field_validator("foundry_port")
    @classmethod
    def _not_the_pages(cls, value: int, before: ValidationInfo) -> int:
        if value == before.data.get("chainlit_port"):
            raise ValueError("must be another port than CHAINLIT_PORT")
        return value

    @field_validator("foundry_url")
    @classmethod
    def _auto_own_or_url(cls, value: str) -> str:
        if value in ("auto", "own") or re.fullmatch(r"http://[^\s/]+:\d+/?", value):
            return value.rstrip("/")
        raise ValueError("must be auto, own, or an address such as http://127.0.0.1:5273")

    @property
    def open_webui_is_built_here(self) -> bool:
        """Whether Open WebUI comes from packages, and not from an image that somebody published."""
        return self.open_webui_image == "from-packages"

    @cached_property
    def state(self) -> Path:
        """The folder of this project's pid files, logs and token (absolute); see `.env.example`, STATE_DIR."""
        return (ROOT / self.state_dir / self.compose_project_name).resolve()

    @cached_property
    def models(self) -> Path:
        """Foundry Local's model cache, shared by all projects of this clone (absolute)."""
        return (ROOT / self.state_dir / "models").resolve()

    @property
    def as_environment(self) -> dict[str, str]:
        """The knobs as `docker compose` wants to see them: so what compose uses is what the scripts read."""
        return {name.upper(): str(getattr(self, name)) for name in type(self).model_fields}


def load() -> Settings:
    """Read the settings.

    Raises:
        StackError: ``bad-env-file`` with line and key, for a line that can't be read or a value that can't be used.
    """
    _refuse_malformed_lines(USER_FILE)
    try:
        return Settings()
    except ValidationError as invalid:
        problem = invalid.errors()[0]
        key = str(problem["loc"][0]).upper()
        reason = problem["msg"].removeprefix("Value error, ")
        raise StackError(
            f"{_where(key)}: {key}: {reason}.",
            fix=f"Correct the value; `.env.example` explains {key} and shows its default.",
            cause="bad-env-file",
            exit_code=2,
        ) from invalid


def default_values() -> dict[str, str]:
    """Every knob with its default, as `.env.example` has it."""
    return {key: value or "" for key, value in dotenv_values(DEFAULTS_FILE, encoding=ENCODING).items()}


def _refuse_malformed_lines(file: Path) -> None:
    if not file.exists():
        return
    with file.open(encoding=ENCODING) as text:
        for binding in parse_stream(text):
            if binding.error:
                line = binding.original.string.strip()
                raise StackError(
                    f".env, line {binding.original.line}: can't be read: {_hide_value(line)!r}.",
                    fix="Write it as KEY=value, or start the line with # to make it a comment.",
                    cause="bad-env-file",
                    exit_code=2,
                )


def _where(key: str) -> str:
    if key in os.environ or key.lower() in os.environ:
        return "The environment"
    if USER_FILE.exists():
        with USER_FILE.open(encoding=ENCODING) as text:
            for binding in parse_stream(text):
                if binding.key and binding.key.upper() == key:
                    lead = len(binding.original.string) - len(binding.original.string.lstrip("\n"))
                    return f".env, line {binding.original.line + lead}"
    return ".env.example"


def _hide_value(line: str) -> str:
    return line.split("=", 1)[0] + ("=..." if "=" in line else "")
