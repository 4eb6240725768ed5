"""A chat that has grown longer than what the model takes in: what is told, and what the user sees of it."""

import pytest

from fakes.chat_people import Person
from fakes.whole_way import WholeWay

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


async def test_the_oldest_is_left_out_and_the_user_is_told(way: WholeWay, guest: Person) -> None:
    before = len(way.foundry.requests)
    way.foundry.stored.context_length = 2500  # of which 1,024 are kept for the answer
    async with guest.opens_the_page() as chat:
        for number in range(6):
            answer = await chat.ask(f"q{number} " + "word " * 300)
            assert answer.text == "".join(way.foundry.tokens)
        assert not [message for message in chat.messages if message.error]
        notices = [message.text for message in chat.messages if "not told your first" in message.text]
    assert 0 < len(notices) < 6
    assert len(set(notices)) == len(notices), "said anew only where it is news"
    assert notices[0].startswith("*Only the newer part of this chat fits")
    asked = [each.json["input"] for each in way.foundry.requests[before:] if each.target == "/v1/responses"]
    begins = [messages[0]["content"].split()[0] for messages in asked if len(messages) > 1]
    assert begins[0] == "q0"
    assert begins[-1] > "q1"
    assert asked[-1][-1]["content"].startswith("q5")
