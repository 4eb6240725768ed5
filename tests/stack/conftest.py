"""The running stack, which `scripts/test.py` brings up before it runs these tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from docker import DockerClient
from docker.models.containers import Container

from fakes.chat_people import Person, first_user
from fakes.cloud_container import CloudWitness, cloud_in_a_container
from fakes.routed_way import MODEL, SECONDS, RoutedWay, routed_way, stand_in_for_a_cloud
from fakes.spare_stack import Spare, running_spare
from fakes.whole_way import WholeWay, whole_way
from stack.parts.containers import of_project
from stack.parts.host_checks import bridge_addresses
from stack.settings import Settings, load
from stack.tools.docker_engine import client


@pytest.fixture(scope="session")
def settings() -> Settings:
    return load()


@pytest.fixture(scope="session")
def engine() -> DockerClient:
    return client()


@pytest.fixture(scope="session")
def container(settings: Settings, engine: DockerClient) -> Callable[[str], Container]:
    """The running stack's container of the service that is named."""

    def find(service: str) -> Container:
        (found,) = of_project(settings, engine, service)
        return found

    return find


@pytest.fixture(scope="session")
def bridge(engine: DockerClient) -> str:
    """The host's address as `host-gateway` means it: Docker's bridge, or loopback where the engine is in a VM."""
    return (bridge_addresses(engine) or ["127.0.0.1"])[0]


@pytest.fixture(scope="session")
def way(
    settings: Settings, engine: DockerClient, bridge: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WholeWay]:
    """A stack of the tests' own with a witness in Foundry Local's place; see `fakes.whole_way`."""
    services = ("gateway", "chainlit", "webgpu-static", "monitor")
    with whole_way(settings, engine, bridge, services, folder=tmp_path_factory.mktemp("way"), name="way") as running:
        yield running


@pytest.fixture(scope="session")
def cloud_witness(settings: Settings, engine: DockerClient) -> Iterator[CloudWitness]:
    """A stand-in for a cloud, in a container; see `fakes.cloud_container`."""
    with cloud_in_a_container(settings, engine) as running:
        yield running


@pytest.fixture(scope="session")
def cloudy(
    settings: Settings,
    engine: DockerClient,
    bridge: str,
    cloud_witness: CloudWitness,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WholeWay]:
    """Like `way`, with a way to that cloud."""
    folder, knobs = tmp_path_factory.mktemp("cloudy"), {"routing_seconds": 1.0, "cloud_model": "big"}
    with whole_way(
        settings,
        engine,
        bridge,
        ("gateway", "chainlit", "open-webui"),
        folder=folder,
        name="cloudy",
        cloud_url=cloud_witness.url,
        **knobs,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def cloud_guest(cloudy: WholeWay) -> Person:
    """The first user of the chat that may ask the cloud."""
    return first_user(cloudy.settings)


@pytest.fixture(scope="session", name="routed_way")
def chat_with_a_cloud(
    settings: Settings, engine: DockerClient, bridge: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RoutedWay]:
    """A stack of the tests' own, whose cloud is as easily broken as its Foundry Local; see `fakes.routed_way`."""
    knobs = {"cloud_model": MODEL, "routing_seconds": SECONDS}
    folder, services = tmp_path_factory.mktemp("routed"), ("gateway", "chainlit")
    with stand_in_for_a_cloud() as cloud:
        knobs["cloud_url"] = f"{cloud.url}/v1"
        with whole_way(settings, engine, bridge, services, folder=folder, name="routed", **knobs) as running:
            yield routed_way(running, cloud)


@pytest.fixture(scope="module")
def user(settings: Settings) -> Person:
    """The first user of the running stack's chat."""
    return first_user(settings)


@pytest.fixture(scope="module")
def guest(way: WholeWay) -> Person:
    """The first user of the chat behind which the witness stands."""
    return first_user(way.settings)


@pytest.fixture(scope="module")
def spare(settings: Settings, engine: DockerClient, bridge: str) -> Iterator[Spare]:
    """A gateway of the tests' own; see `fakes.spare_stack`."""
    with running_spare(settings, engine, bridge) as running:
        yield running
