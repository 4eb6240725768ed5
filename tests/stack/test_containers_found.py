"""Which containers count as the stack's: those that Compose made for its services."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from docker import DockerClient
from docker.models.containers import Container

from stack.parts.containers import PROJECT_LABEL, SERVICE_LABEL, of_project
from stack.settings import ROOT, Settings
from stack.tools.docker_engine import compose


@pytest.fixture
def stranger(engine: DockerClient, container: Callable[[str], Container]) -> Iterator[Container]:
    """What somebody made by hand from the chat's image."""
    made = engine.containers.create(container("chainlit").image)
    yield made
    made.remove(force=True)


@pytest.fixture
def one_off(settings: Settings, engine: DockerClient) -> Iterator[Container]:
    """What `docker compose run` made for the chat's service."""
    arguments = ["run", "--detach", "--no-deps", "--entrypoint", "sleep", "chainlit", "infinity"]
    done = compose(arguments, project=ROOT, env=settings.as_environment)
    assert done.code == 0, done.err
    made = engine.containers.get(done.out.strip())
    yield made
    made.remove(force=True)


@pytest.mark.parametrize("beside", ["stranger", "one_off"])
def test_what_somebody_runs_beside_it_is_not_the_service(
    settings: Settings, engine: DockerClient, request: pytest.FixtureRequest, beside: str
) -> None:
    before = of_project(settings, engine, "chainlit")
    other: Container = request.getfixturevalue(beside)
    labels = engine.containers.get(other.id).labels
    assert (labels[PROJECT_LABEL], labels[SERVICE_LABEL]) == (settings.compose_project_name, "chainlit")
    assert len(before) == 1
    assert of_project(settings, engine, "chainlit") == before
    assert other not in of_project(settings, engine)
