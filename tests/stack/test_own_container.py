"""A container that is not the stack's, such as an Open WebUI that the user has: it asks the relay, with the key."""

from __future__ import annotations

import pytest
from docker import DockerClient

from stack.parts import relay_token
from stack.settings import Settings
from stack.tools.process import run

ASK = """
import sys
from openai import OpenAI, OpenAIError
client = OpenAI(base_url=sys.argv[1], api_key=sys.stdin.readline().strip(), max_retries=0, timeout=60)
try:
    (model, *_) = client.models.list()
    question = [{"role": "user", "content": "What is the capital of France?"}]
    answer = client.chat.completions.create(model=model.id, messages=question, max_tokens=16)
    print(answer.choices[0].message.content)
except OpenAIError as refused:
    print(refused.code)
"""


@pytest.fixture(scope="module")
def python(settings: Settings) -> str:
    """An image with an OpenAI client in it."""
    return f"localhost/foundry-stack/chainlit:{settings.image_tag}"


def ask(python: str, base_url: str, key: str) -> str:
    """What an OpenAI client sees in a container on Docker's default network, started as the README says."""
    argv = ["docker", "run", "--rm", "--interactive", "--add-host=host.docker.internal:host-gateway"]
    argv += ["--entrypoint", "/opt/venv/bin/python", python, "-c", ASK, base_url]
    done = run(argv, stdin=f"{key}\n", timeout=120)
    assert done.code == 0, done.err
    return done.out.strip()


def test_with_the_key_it_gets_an_answer(settings: Settings, engine: DockerClient, python: str) -> None:
    key = relay_token.fetch(settings, engine).read_text(encoding="ascii").strip()
    assert "Paris" in ask(python, relay_token.base_url(settings), key)


def test_with_any_other_key_it_is_refused(settings: Settings, python: str) -> None:
    assert ask(python, relay_token.base_url(settings), "foundry-local-key") == "relay-token-wrong"
