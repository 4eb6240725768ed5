"""A chat with a cloud as one sees it: the question before anything leaves, where answers were made, and *Private*."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from browser.chat_page import Chat
from browser.staged_chat import load_axe, too_faint
from fakes.routed_way import MODEL, SECONDS, RoutedWay, routed_way, stand_in_for_a_cloud
from fakes.whole_way import whole_way
from stack.parts.host_checks import bridge_addresses
from stack.settings import load
from stack.tools.docker_engine import client

pytestmark = pytest.mark.full  # a stack of its own

COMPLEX = "Compare step by step and in detail, evaluate the trade-offs and explain why: trains, or planes? Which? Why?"
HERE, THERE = "The capital is Paris.", "From the cloud."

Screenshot = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoutedWay]:
    engine, folder = client(), tmp_path_factory.mktemp("routed")
    bridge, *_ = bridge_addresses(engine)
    knobs = {"cloud_model": MODEL, "routing_seconds": SECONDS}
    with stand_in_for_a_cloud() as cloud:
        knobs["cloud_url"] = f"{cloud.url}/v1"
        services = ("gateway", "chainlit")
        with whole_way(load(), engine, bridge, services, folder=folder, name="routed-page", **knobs) as running:
            yield routed_way(running, cloud)


@pytest.fixture
def chat(way: RoutedWay, page: Page) -> Chat:
    way.begin("complexity")
    return Chat(page, way.person.page, way.person)


def test_it_asks_first_and_then_says_where(chat: Chat, way: RoutedWay, page: Page, screenshot: Screenshot) -> None:
    load_axe(page)
    chat.send(COMPLEX)
    send, keep = (page.get_by_role("button", name=name) for name in ("Send it to", "Keep it on this machine"))
    expect(send).to_be_visible()
    expect(keep).to_be_visible()
    screenshot(page, "asked")
    assert too_faint(page) == []
    assert way.left == []
    send.click()
    expect(chat.figures).to_contain_text("cloud")
    expect(chat.from_app.filter(has_text=THERE)).to_be_visible()
    assert way.left == [COMPLEX]
    screenshot(page, "answered")
    assert too_faint(page) == []
    page.reload()
    expect(chat.figures).to_contain_text("cloud")


def test_who_keeps_it_is_answered_here(chat: Chat, way: RoutedWay, page: Page) -> None:
    chat.send(COMPLEX)
    page.get_by_role("button", name="Keep it on this machine").click()
    expect(chat.from_app.filter(has_text=HERE)).to_be_visible()
    expect(chat.figures).to_contain_text("local")
    assert way.left == []


def test_private_is_one_click_and_stays(chat: Chat, way: RoutedWay, page: Page, screenshot: Screenshot) -> None:
    load_axe(page)
    page.get_by_role("button", name="Private").click()
    screenshot(page, "marked")
    assert too_faint(page) == []
    chat.send(COMPLEX)
    expect(chat.figures).to_contain_text("marked private")
    chat.send(COMPLEX)
    expect(chat.figures).to_have_count(2)
    expect(chat.figures.last).to_contain_text("marked private")
    assert way.left == []


def test_without_a_cloud_nothing_of_it_is_there(page: Page, chat_address: str) -> None:
    chat = Chat(page, chat_address)
    expect(page.get_by_role("button", name="Private")).to_have_count(0)
    expect(chat.open_settings()).not_to_contain_text("cloud")
