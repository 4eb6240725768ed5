"""The chat with a cloud: each policy, the switch and the marks, what the user is asked and shown, and what fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat.asides import FIGURES_KIND
from chat.routed import ROUTE
from chat.routing.breaker import FAILURES
from chat.settings import Routing
from fakes.open_chat import Answer, OpenChat
from fakes.routed_way import MODEL, RoutedWay

pytestmark = pytest.mark.full  # a stack of its own, and a start of the chat app for each policy

SIMPLE = "What is the capital of Poland?"
COMPLEX = "Compare step by step and in detail, evaluate the trade-offs and explain why: trains, or planes? Which? Why?"
STORY = "Write a story about a lighthouse."
CODE = "Write a Python function."
HERE, THERE = "The capital is Paris.", "From the cloud."
SEND, KEEP, MARKED = "send-to-cloud", "keep-here", "Private"  # the names of the app's buttons
MAIL = "anna.kowalska@example.com"


@pytest.fixture
def complexity(routed_way: RoutedWay) -> RoutedWay:
    routed_way.begin("complexity")
    return routed_way


def line(answer: Answer) -> str:
    """The quiet one under it."""
    (shown,) = (each["output"] for each in answer.asides if each["type"] == FIGURES_KIND)
    return str(shown)


def questions(page: OpenChat) -> list[str]:
    """What the user was asked."""
    return [str(each["msg"]["output"]) for each in page.heard("ask")]


async def messages(way: RoutedWay, chat_id: str) -> list[dict[str, Any]]:
    """Of the chat as it is exported."""
    async with way.person.on_the_page() as user:
        return list((await user.call("GET", f"/export/{chat_id}.json")).json()["messages"])


def audit(way: RoutedWay) -> list[dict[str, Any]]:
    return [json.loads(each) for each in way.read("audit.jsonl").splitlines()]


async def metric(way: RoutedWay, name: str) -> str:
    async with way.person.on_the_page() as user:
        lines = (await user.call("GET", "/metrics")).text.splitlines()
    return next((each.rpartition(" ")[2] for each in lines if each.startswith(f"{name} ")), "")


# --- the policies ---


@pytest.mark.parametrize(
    ("routing", "question", "answered", "said"),
    [
        ("local", COMPLEX, HERE, "local: local only"),
        ("local-first", COMPLEX, HERE, "local: local first"),
        ("complexity", SIMPLE, HERE, "local: complexity 16 of 100"),
        ("complexity", COMPLEX, THERE, "**cloud**"),
        ("task", STORY, THERE, "creative writing: larger models write better"),
        ("task", CODE, HERE, "local: code generation: code is often confidential"),
        ("task", SIMPLE, HERE, "local: no task of the table"),
    ],
)
async def test_each_policy(routed_way: RoutedWay, routing: Routing, question: str, answered: str, said: str) -> None:
    routed_way.begin(routing)
    async with routed_way.person.opens_the_page() as page:
        page.presses = SEND
        answer = await page.ask(question)
    assert (answer.text, answer.errors) == (answered, [])
    assert said in line(answer)
    assert routed_way.left == ([question] if answered == THERE else [])


async def test_local_first_goes_on_to_the_cloud_where_this_machine_is_down(routed_way: RoutedWay) -> None:
    routed_way.begin("local-first")
    routed_way.local.habit = "hangs"
    async with routed_way.person.opens_the_page(panel=False) as page:
        page.presses = SEND
        answer = await page.ask(SIMPLE)
    assert answer.text == THERE
    assert "this machine failed" in line(answer)
    assert "this machine failed" in questions(page)[0]


# --- what the user is asked and shown ---


async def test_the_user_is_asked_once_before_anything_leaves(complexity: RoutedWay) -> None:
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        await page.ask(SIMPLE)
        assert questions(page) == []
        await page.ask(COMPLEX)
        await page.ask(f"{COMPLEX} Again?")
        chat_id = await page.chat_id()
    (asked,) = questions(page)
    assert "May this chat be sent" in asked
    assert len(complexity.left) == 2
    async with complexity.person.opens_the_page(chat_id=chat_id, panel=False) as page:
        await page.resumed()
        assert (await page.ask(f"{COMPLEX} And now?")).text == THERE
        assert questions(page) == [], "asked once more in a chat that was opened again"


async def test_who_says_no_is_answered_here_and_not_asked_again(complexity: RoutedWay) -> None:
    async with complexity.person.opens_the_page() as page:
        page.presses = KEEP
        answer = await page.ask(COMPLEX)
        again = await page.ask(f"{COMPLEX} Again?")
        (switch,) = (each["initial"] for each in page.settings if each["id"] == "switch")
    assert (answer.text, again.text) == (HERE, HERE)
    assert "you have not agreed to the cloud" in line(answer)
    assert "as set for this chat" in line(again)
    assert switch == "local"
    assert len(questions(page)) == 1
    assert complexity.cloud.requests == []


async def test_where_and_why_is_shown_kept_and_exported(complexity: RoutedWay) -> None:
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        shown = line(await page.ask(COMPLEX))
        chat_id = await page.chat_id()
    assert shown.startswith(f"`{MODEL}` · **cloud** (")
    async with complexity.person.opens_the_page(chat_id=chat_id, panel=False) as page:
        await page.resumed()
        steps = page.heard("resume_thread")[-1]["steps"]
    assert shown in [step["output"] for step in steps if step["type"] == FIGURES_KIND]
    assert any((step.get("metadata") or {}).get(ROUTE) for step in steps)
    (exported,) = (each for each in await messages(complexity, chat_id) if each["model"])
    assert exported["model"] == MODEL
    assert (exported["route"]["place"], exported["route"]["why"]) == ("cloud", "complex")


async def test_the_audit_log_says_what_was_sent_and_no_word_of_it(complexity: RoutedWay) -> None:
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        await page.ask(COMPLEX)
        await page.ask(f"{COMPLEX} Ask {MAIL}.")
        chat_id = await page.chat_id()
    noted = [(each["event"], each["why"]) for each in audit(complexity) if each["chat"] == chat_id]
    assert noted == [("sending", "complex"), ("answered", "complex"), ("kept-here", "found-private")]
    text = complexity.read("audit.jsonl")
    assert not any(word in text for word in ("Compare", "anna", "cloud."))


# --- what is private ---


@pytest.mark.parametrize("switch", ["local", "private"])
async def test_a_chat_that_is_switched_stays(complexity: RoutedWay, switch: str) -> None:
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        await page.set(switch=switch)
        assert (await page.ask(COMPLEX)).text == HERE
        await page.set(switch="as-configured")
        answer = await page.ask(f"{COMPLEX} Again?")
    assert answer.text == (THERE if switch == "local" else HERE), "what was said in private stays private"
    assert complexity.left == ([f"{COMPLEX} Again?"] if switch == "local" else [])


async def test_a_question_that_is_marked_keeps_the_rest_of_its_chat_here(complexity: RoutedWay) -> None:
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        (button,) = page.heard("set_commands")[-1]["said"]
        assert (button["id"], button["button"]) == (MARKED, True)
        await page.begin("The treasure is under the oak.", command=MARKED)
        assert "marked private" in line(await page.end())
        assert (await page.ask(COMPLEX)).text == HERE
        chat_id = await page.chat_id()
    async with complexity.person.opens_the_page(chat_id=chat_id, panel=False) as page:
        page.presses = SEND
        await page.resumed()
        assert (await page.ask(f"{COMPLEX} And now?")).text == HERE
    assert complexity.cloud.requests == []


async def agreed(way: RoutedWay) -> str:
    """A chat whose user has agreed to the cloud."""
    async with way.person.opens_the_page() as page:
        page.presses = SEND
        assert (await page.ask(COMPLEX)).text == THERE
        return await page.chat_id()


def position(page: OpenChat) -> str:
    """Of the switch, as the page shows it."""
    return str(next(each["initial"] for each in page.settings if each["id"] == "switch"))


async def test_a_switch_is_kept_as_soon_as_it_is_turned(complexity: RoutedWay) -> None:
    """The app may be killed at any moment, and tells nobody then."""
    chat_id = await agreed(complexity)
    async with complexity.person.opens_the_page(chat_id=chat_id) as page:
        await page.resumed()
        await page.set(switch="private")
        async with complexity.person.opens_the_page(chat_id=chat_id) as other:
            await other.resumed()
            assert position(other) == "private"
            assert (await other.ask(f"{COMPLEX} And now?")).text == HERE
        before = len(page.heard("resume_thread"))
        await page.greets_again()
        await page.hears_more("resume_thread", before)
        assert (await page.ask(f"{COMPLEX} Here, too?")).text == HERE
    assert complexity.left == [COMPLEX]


async def test_a_switch_counts_on_every_page_of_its_chat(complexity: RoutedWay) -> None:
    chat_id = await agreed(complexity)
    async with complexity.person.opens_the_page(chat_id=chat_id) as page:
        await page.resumed()
        async with complexity.person.opens_the_page(chat_id=chat_id) as other:
            await other.resumed()
            await other.set(switch="private")
        assert (await page.ask(f"{COMPLEX} And now?")).text == HERE
    async with complexity.person.opens_the_page(chat_id=chat_id) as page:
        await page.resumed()
        assert position(page) == "private"
        await page.set(switch="as-configured")
        assert (await page.ask(f"{COMPLEX} And again?")).text == HERE, "what was said in private has left"
    assert complexity.left == [COMPLEX]


async def test_a_chat_that_is_switched_keeps_the_question_that_is_under_way(complexity: RoutedWay) -> None:
    complexity.local.seconds_a_chunk = 0.3
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        await page.begin("Where is the treasure?")
        await page.first_text()
        await page.set(switch="private")
        await page.end()
        complexity.local.seconds_a_chunk = 0.0
        await page.set(switch="as-configured")
        assert (await page.ask(COMPLEX)).text == HERE
    assert complexity.left == []


async def test_a_chat_can_be_switched_while_this_machine_is_down(routed_way: RoutedWay) -> None:
    routed_way.begin("local-first")
    async with routed_way.person.opens_the_page() as page:
        page.presses = SEND
        await page.set(max_tokens=200)
        routed_way.local.habit = "closes"
        await page.set(switch="private")
        assert position(page) == "private"
        assert (await page.ask("The treasure is under the oak.")).text == ""
    assert routed_way.left == []


async def test_of_two_questions_close_together_each_is_judged_by_itself(complexity: RoutedWay) -> None:
    """What is sent is what was read: the first, never the second in its place."""
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        await page.ask(COMPLEX)
        for second, button in ((f"Write to {MAIL}", None), ("The treasure is under the oak.", MARKED)):
            await page.begin(COMPLEX)
            await page.begin(second, command=button)
            await page.end()
    assert set(complexity.left) == {COMPLEX}
    assert not any(word in str(complexity.cloud.requests) for word in (MAIL, "treasure"))


async def test_a_chat_that_is_being_taken_up_again_stays(complexity: RoutedWay) -> None:
    """Until all that was said is there again, nobody knows whether something of it is marked."""
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        await page.ask(COMPLEX)
        await page.begin("The treasure is under the oak.", command=MARKED)
        await page.end()
        chat_id = await page.chat_id()
    for _ in range(5):  # the page lets nobody ask before the chat is there, who asks without it may
        async with complexity.person.opens_the_page(chat_id=chat_id, panel=False) as page:
            assert (await page.ask(f"{COMPLEX} And now?")).text == HERE
    assert complexity.left == [COMPLEX]


async def test_what_is_found_stays_in_whatever_part_of_the_chat_it_is(complexity: RoutedWay) -> None:
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        found = await page.ask(f"{COMPLEX} Ask {MAIL}.")
        later = await page.ask(COMPLEX)
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        file = await page.attach("people.csv", f"name,mail\nAnna,{MAIL}\n".encode(), "text/csv")
        attached = await page.ask(COMPLEX, [file])
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        await page.set(system_prompt=f"You work for {MAIL}.")
        prompted = await page.ask(COMPLEX)
    assert [each.text for each in (found, later, attached, prompted)] == [HERE] * 4
    assert "it holds an e-mail address" in line(found)
    assert "this chat holds an e-mail address" in line(later)
    assert complexity.cloud.requests == []


async def test_a_private_question_fails_rather_than_leaves(routed_way: RoutedWay) -> None:
    routed_way.begin("local-first")
    async with routed_way.person.opens_the_page() as page:
        page.presses = SEND
        routed_way.local.habit = "closes"
        answer = await page.ask(f"Write to {MAIL}.")
    assert answer.text == ""
    assert len(answer.errors) == 1
    assert questions(page) == []
    assert routed_way.cloud.requests == []


async def test_the_probes_question_stays(complexity: RoutedWay) -> None:
    async with complexity.probe.opens_the_page() as page:
        page.presses = SEND
        assert (await page.ask(COMPLEX)).text == HERE
        chat_id = await page.chat_id()
    assert complexity.cloud.requests == []
    assert [each for each in audit(complexity) if each["chat"] == chat_id] == [], "they would push the others out"


# --- what fails ---


@pytest.mark.parametrize(("habit", "cause"), [("hangs", "first-word-late"), ("closes", "")])
async def test_where_the_cloud_fails_this_machine_answers(complexity: RoutedWay, habit: Any, cause: str) -> None:
    complexity.cloud.habit = habit
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        answer = await page.ask(COMPLEX)
    assert (answer.text, answer.errors) == (HERE, [])
    assert f"local: the cloud failed: {cause}" in line(answer)


async def test_an_answer_that_breaks_off_is_marked_and_can_be_asked_for_again(complexity: RoutedWay) -> None:
    complexity.cloud.habit, complexity.cloud.cut_after = "cut", 3
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        broken = await page.ask(COMPLEX)
        complexity.cloud.habit = "answers"
        again = await page.again()
    assert broken.text == "From the\n\n*(broken off)*"
    assert len(broken.errors) == 1
    assert again.text == THERE
    assert not any(received.target.endswith("completions") for received in complexity.local.requests)


async def test_a_cloud_that_fails_again_and_again_is_left_alone_and_metrics_say_so(complexity: RoutedWay) -> None:
    complexity.cloud.habit = "closes"
    async with complexity.person.opens_the_page() as page:
        page.presses = SEND
        for _ in range(FAILURES):
            await page.ask(COMPLEX)
        assert len(complexity.cloud.requests) == FAILURES
        answer = await page.ask(COMPLEX)
    assert "the cloud has failed just now" in line(answer)
    assert len(complexity.cloud.requests) == FAILURES
    assert await metric(complexity, 'foundry_chat_provider_state{place="cloud",state="open"}') == "1.0"
    assert await metric(complexity, 'foundry_chat_provider_state{place="local",state="closed"}') == "1.0"
    assert await metric(complexity, 'foundry_chat_routed_total{place="local",why="cloud-rests"}') == "1.0"
