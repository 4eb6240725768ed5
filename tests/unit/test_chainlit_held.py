"""Conversations that Foundry Local holds: who has a place, from where it goes on, and that nothing stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from chat import context
from chat.answer import Answer
from chat.conversation import Told
from chat.held import Holder
from chat.journal import Journal, Record
from chat.memory import Memory
from chat.problems import Problem
from chat.server import Server, find
from chat.settings import Settings
from fakes.foundry import MODEL, Habit, Received
from fakes.model_server import ModelServer

ANSWER = "The capital is Paris."
SECONDS = 5


@pytest.fixture(autouse=True)
def unlearned() -> Iterator[None]:
    context.forget()
    yield
    context.forget()


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer() as running:
        yield running


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "private" / "held.json"


@pytest.fixture
async def holder(journal: Path, server: ModelServer) -> AsyncIterator[Holder]:
    app = Holder(Journal(journal))
    yield app
    server.habit, server.gated = "answers", False
    await app.close()


class Chat:
    """A chat as the app leads one: what is asked, told and kept."""

    def __init__(self, where: Server, holder: Holder, **knobs: Any) -> None:
        self.where = where
        self.knobs = Settings(base_url=where.root, **knobs)
        self.model = MODEL
        self.told: list[Told] = []
        self.memory = Memory(holder)
        self.answer: Answer | None = None

    async def ask(self, question: str, shown_as: str | None = None) -> str:
        """Ask, and keep the answer, perhaps not letter by letter."""
        self.told.append({"role": "user", "content": question})
        return await self.answered(shown_as)

    async def answered(self, shown_as: str | None = None) -> str:
        """The answer to the last question."""
        self.answer = self._answer()
        text = "".join([piece async for piece in self.answer.pieces()])
        self.answer.keep(shown_as or text)
        self.told.append({"role": "assistant", "content": shown_as or text})
        return text

    async def ask_and_stop(self, question: str) -> None:
        """Stop it at its first word, as the button does."""
        self.told.append({"role": "user", "content": question})
        async with aclosing(self._answer().pieces()) as pieces:
            text = await anext(pieces)
        self.told.append({"role": "assistant", "content": f"{text}\n\n*(stopped)*"})

    def edit(self, number: int, question: str) -> None:
        """Another question in that one's place; what came after it is gone."""
        at = [index for index, each in enumerate(self.told) if each["role"] == "user"][number]
        self.told[at:] = [{"role": "user", "content": question}]

    def _answer(self) -> Answer:
        self.memory.place.open()
        system = self.knobs.system_prompt
        told: list[Told] = [{"role": "system", "content": system}] if system else []
        return self.coming([*told, *self.told])

    def coming(self, told: list[Told]) -> Answer:
        """The answer to be, to what is told."""
        return Answer(self.where, self.model, told, self.knobs, self.memory)


@pytest.fixture
async def chat(server: ModelServer, holder: Holder) -> Callable[..., Chat]:
    where = await find(Settings(base_url=server.url))
    return lambda **knobs: Chat(where, holder, **knobs)


def inputs(server: ModelServer) -> list[list[str]]:
    """What each question asked of held conversations told the server."""
    return [[message["content"] for message in request.json["input"]] for request in server.responses]


def held(server: ModelServer) -> list[list[str]]:
    return [[message["content"] for message in stored.told] for stored in server.stored.held.values()]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


async def test_from_the_second_question_on_only_what_is_new_is_told(
    server: ModelServer, chat: Callable[..., Chat]
) -> None:
    talk = chat(system_prompt="Be brief.", max_tokens=77)
    for number in range(8):
        assert await talk.ask(f"q{number}") == ANSWER
    assert len(server.completions) == 1
    assert inputs(server) == [["q0", ANSWER, "q1"], *([f"q{number}"] for number in range(2, 8))]
    asked = [request.json for request in server.responses]
    assert {request["store"] for request in asked} == {True}
    assert {(request["instructions"], request["max_output_tokens"]) for request in asked} == {("Be brief.", 77)}
    assert [request.get("previous_response_id") for request in asked] == [None, *list(server.stored.held)[:-1]]
    assert held(server)[-1] == [text for number in range(8) for text in (f"q{number}", ANSWER)]


async def test_usage_is_of_the_whole_conversation(server: ModelServer, chat: Callable[..., Chat]) -> None:
    talk = chat()
    for question in ("one", "two", "three"):
        await talk.ask(question)
        assert talk.answer
        assert talk.answer.usage
        assert talk.answer.usage.completion_tokens == len(server.tokens)
    assert talk.answer.usage.prompt_tokens == 5 + 3 + 2 * 4
    assert talk.answer.usage.first_token_seconds
    assert talk.answer.usage.first_token_seconds <= talk.answer.usage.seconds


async def test_an_answer_that_is_shown_in_other_letters_is_still_known(
    server: ModelServer, chat: Callable[..., Chat]
) -> None:
    """Formulas, for one, are written as the page knows them."""
    talk = chat()
    for question in ("one", "two", "three"):
        await talk.ask(question, shown_as="$$x$$")
    assert inputs(server)[-1] == ["three"]


async def test_an_edited_question_goes_on_from_before_it(server: ModelServer, chat: Callable[..., Chat]) -> None:
    talk = chat()
    for question in ("one", "two", "three", "four"):
        await talk.ask(question)
    before = list(server.stored.held)
    talk.edit(2, "another three")
    await talk.answered()
    assert server.responses[-1].json["previous_response_id"] == before[0]
    assert inputs(server)[-1] == ["another three"]
    assert server.deleted == [before[2], before[1]]
    assert held(server)[-1] == ["one", ANSWER, "two", ANSWER, "another three", ANSWER]
    assert len(server.stored.held) == 2


async def test_another_answer_takes_the_place_of_the_first(server: ModelServer, chat: Callable[..., Chat]) -> None:
    talk = chat()
    for question in ("one", "two", "three"):
        await talk.ask(question)
    before = list(server.stored.held)
    talk.edit(2, "three")
    await talk.answered()
    assert server.deleted == [before[1]]
    assert inputs(server)[-1] == ["three"]
    assert len(server.stored.held) == 2


async def test_an_edit_of_the_first_question_holds_nothing(server: ModelServer, chat: Callable[..., Chat]) -> None:
    talk = chat()
    for question in ("one", "two", "three"):
        await talk.ask(question)
    talk.edit(0, "another one")
    await talk.answered()
    assert server.stored.held == {}
    assert len(server.completions) == 2


async def test_a_stopped_answer_is_told_and_not_stored(
    server: ModelServer, chat: Callable[..., Chat], journal: Path
) -> None:
    talk = chat()
    await talk.ask("one")
    await talk.ask("two")
    server.endless = True
    await talk.ask_and_stop("three")
    await server.responses[-1].client_left.wait()
    await until(lambda: len(Journal(journal).records) == 1)
    server.endless = False
    await talk.ask("four")
    assert inputs(server)[-1] == ["three", "The\n\n*(stopped)*", "four"]
    assert len(server.stored.held) == 2


async def test_what_was_kept_in_part_only_is_not_taken_for_the_whole(
    server: ModelServer, chat: Callable[..., Chat]
) -> None:
    """Stop may come when the model has just ended, and the page has not shown it all."""
    talk = chat()
    await talk.ask("one")
    await talk.ask("two")
    talk.told.append({"role": "user", "content": "three"})
    _ = [piece async for piece in talk.coming(talk.told).pieces()]
    talk.told.append({"role": "assistant", "content": "The *(stopped)*"})
    await talk.ask("four")
    assert inputs(server)[-1] == ["three", "The *(stopped)*", "four"]
    assert len(server.stored.held) == 2


async def test_an_answer_at_the_limit_is_gone_on_from(server: ModelServer, chat: Callable[..., Chat]) -> None:
    server.finish_reason = "length"
    talk = chat()
    for question in ("one", "two", "go on"):
        await talk.ask(question)
    assert talk.answer
    assert talk.answer.hit_the_limit
    assert inputs(server)[-1] == ["go on"]


async def test_after_a_restart_all_is_told_again_unseen(server: ModelServer, chat: Callable[..., Chat]) -> None:
    talk = chat()
    for question in ("one", "two", "three"):
        await talk.ask(question)
    server.stored.restart()
    assert await talk.ask("four") == ANSWER
    assert inputs(server)[-2:] == [["four"], ["one", ANSWER, "two", ANSWER, "three", ANSWER, "four"]]
    await talk.ask("five")
    assert inputs(server)[-1] == ["five"]
    assert len(server.completions) == 1


async def test_a_server_without_it_is_asked_once(server: ModelServer, chat: Callable[..., Chat]) -> None:
    server.knows_responses = False
    talk, other = chat(), chat()
    for question in ("one", "two", "three"):
        assert await talk.ask(question) == ANSWER
        assert await other.ask(question) == ANSWER
    assert len(server.responses) == 1
    assert len(server.completions) == 6
    messages = [message["content"] for message in server.completions[-1].json["messages"]]
    assert messages == ["one", ANSWER, "two", ANSWER, "three"]


async def test_a_server_that_is_not_foundry_is_never_asked(server: ModelServer, chat: Callable[..., Chat]) -> None:
    """It might take the question for the whole conversation, and might keep it for ever."""
    server.knows_loaded, server.says_of_a_model = False, {"context_length": 8192}
    talk = chat()
    for question in ("one", "two", "three"):
        await talk.ask(question)
    assert server.responses == []


async def test_one_that_forgets_the_beginning_unsaid_is_not_believed(
    server: ModelServer, chat: Callable[..., Chat], monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = chat()
    await talk.ask("one")
    await talk.ask("two")
    begin = server.stored.begin
    monkeypatch.setattr(server.stored, "begin", lambda asked: begin({**asked, "previous_response_id": None}))
    assert await talk.ask("three") == ANSWER
    messages = [message["content"] for message in server.completions[-1].json["messages"]]
    assert messages == ["one", ANSWER, "two", ANSWER, "three"]


async def test_the_switch(server: ModelServer, chat: Callable[..., Chat]) -> None:
    talk = chat(hold_conversations=0)
    for question in ("one", "two", "three"):
        await talk.ask(question)
    assert server.responses == []


@pytest.mark.parametrize(("context_length", "places"), [(8192, 4), (16384, 2), (32768, 1), (32769, 0), (131072, 0)])
async def test_a_large_context_holds_fewer(
    server: ModelServer, chat: Callable[..., Chat], holder: Holder, context_length: int, places: int
) -> None:
    """Each takes memory for all of it: with 128k tokens that is more than most machines have."""
    server.stored.context_length = context_length
    for talk in [chat() for _ in range(6)]:
        await talk.ask("one")
        await talk.ask("two")
    assert len(holder.places) == places


@pytest.mark.parametrize("change", ["model", "system prompt"])
async def test_another_model_or_system_prompt_begins_anew(
    server: ModelServer, chat: Callable[..., Chat], change: str
) -> None:
    talk = chat()
    for question in ("one", "two", "three"):
        await talk.ask(question)
    before = list(server.stored.held)
    if change == "model":
        server.stored.model = talk.model = MODEL.replace(":1", ":2")
        server.models = [talk.model]
    else:
        talk.knobs = talk.knobs.model_copy(update={"system_prompt": "Be brief."})
    await talk.ask("four")
    assert inputs(server)[-1] == ["one", ANSWER, "two", ANSWER, "three", ANSWER, "four"]
    assert server.deleted == before[::-1]
    assert len(server.stored.held) == 1


async def test_a_trimmed_conversation_begins_anew(server: ModelServer, chat: Callable[..., Chat]) -> None:
    server.stored.context_length = 3000
    talk = chat(max_tokens=1000)
    left_out = []
    for number in range(12):
        await talk.ask(f"q{number} " + "word " * 300)
        assert talk.answer
        left_out.append(talk.answer.left_out)
    assert left_out == sorted(left_out)
    assert 1 < len(set(left_out)) < 6
    seeds = [request.json for request in server.responses if "previous_response_id" not in request.json]
    assert len(seeds) == len(set(left_out))
    assert all(seed["input"][0]["content"].startswith("q") for seed in seeds)
    roots = [it for it in server.stored.held.values() if it.response["previous_response_id"] is None]
    assert len(roots) == 1


async def test_too_long_by_the_servers_count_is_told_less_unseen(
    server: ModelServer, chat: Callable[..., Chat], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "_raw", lambda text: len(text.split()) / 8)
    server.stored.context_length = 3000
    talk = chat(max_tokens=1000)
    for number in range(8):  # from another day: nothing of it was counted
        talk.told.append({"role": "user", "content": f"q{number} " + "word " * 600})
        talk.told.append({"role": "assistant", "content": "yes"})
    assert await talk.ask("and now?") == ANSWER
    assert talk.answer
    assert talk.answer.left_out == 7
    assert len(server.responses) == 2
    assert await talk.ask("and then?") == ANSWER
    assert inputs(server)[-1] == ["and then?"]


async def test_a_question_that_is_too_long_by_itself_is_said_so(server: ModelServer, chat: Callable[..., Chat]) -> None:
    server.stored.context_length = 3000
    talk = chat(max_tokens=1000)
    await talk.ask("one")
    await talk.ask("two")
    with pytest.raises(Problem) as problem:
        await talk.ask("word " * 4000)
    assert problem.value.cause == "context-too-long"
    talk.edit(2, "three")
    await talk.answered()
    assert talk.answer
    assert talk.answer.left_out == 0
    assert inputs(server)[-1] == ["one", ANSWER, "two", ANSWER, "three"]


@pytest.mark.parametrize("how", ["cut", "reset"])
async def test_a_cut_answer_is_not_asked_again(server: ModelServer, chat: Callable[..., Chat], how: Habit) -> None:
    talk = chat()
    await talk.ask("one")
    await talk.ask("two")
    server.habit, server.cut_after = how, 6  # when the first word is out
    with pytest.raises(Problem) as problem:
        await talk.ask("three")
    assert problem.value.cause == "stream-cut"
    assert len(server.responses) == 2
    assert len(server.completions) == 1


async def test_an_error_before_the_first_word_falls_back(server: ModelServer, chat: Callable[..., Chat]) -> None:
    talk = chat()
    await talk.ask("one")
    await talk.ask("two")
    server.chat_refuses_first = [("500 Internal Server Error", {"error": {"message": "no tool markers"}})]
    assert await talk.ask("three") == ANSWER
    assert len(server.completions) == 2
    assert await talk.ask("four") == ANSWER
    assert inputs(server)[-1] == ["one", ANSWER, "two", ANSWER, "three", ANSWER, "four"]


async def test_one_that_fails_before_the_first_word_falls_back(
    server: ModelServer, chat: Callable[..., Chat], journal: Path
) -> None:
    talk = chat()
    await talk.ask("one")
    await talk.ask("two")
    server.stored.fails_after = 0
    assert await talk.ask("three") == ANSWER
    server.stored.fails_after = None
    assert Journal(journal).records == []
    assert await talk.ask("four") == ANSWER
    assert inputs(server)[-1] == ["one", ANSWER, "two", ANSWER, "three", ANSWER, "four"]


async def test_one_that_fails_after_a_word_is_not_asked_again(server: ModelServer, chat: Callable[..., Chat]) -> None:
    talk = chat()
    await talk.ask("one")
    await talk.ask("two")
    server.stored.fails_after = 2
    with pytest.raises(Problem) as problem:
        await talk.ask("three")
    assert problem.value.cause == "stream-error-event"
    assert "out of memory" in problem.value.what
    assert (len(server.responses), len(server.completions)) == (2, 1)


async def test_a_lost_connection_before_the_first_word_is_tried_again(
    server: ModelServer, chat: Callable[..., Chat]
) -> None:
    talk = chat()
    await talk.ask("one")
    await talk.ask("two")
    server.chat_refuses_first = [None]
    assert await talk.ask("three") == ANSWER
    assert inputs(server)[-2:] == [["three"], ["three"]]


async def test_places_go_to_those_who_are_active(
    server: ModelServer, chat: Callable[..., Chat], holder: Holder
) -> None:
    first, second, third = (chat(hold_conversations=2) for _ in range(3))
    for talk in (first, second):
        await talk.ask("one")
        await talk.ask("two")
    assert holder.places == (first.memory.place, second.memory.place)
    await third.ask("one")  # a single question takes no place
    assert holder.places == (first.memory.place, second.memory.place)
    await second.ask("three")
    await third.ask("two")  # the first has been silent since before the third's last question
    assert holder.places == (second.memory.place, third.memory.place)
    assert [texts[0:1] for texts in held(server)] == [["one"]] * 3
    assert await first.ask("three") == ANSWER
    assert server.completions[-1].json["messages"][-1]["content"] == "three"


async def test_chats_that_take_turns_do_not_push_each_other_out(
    server: ModelServer, chat: Callable[..., Chat], holder: Holder
) -> None:
    talks = [chat(hold_conversations=2) for _ in range(3)]
    for talk in talks:
        await talk.ask("one")
    for number in range(5):
        for talk in talks:
            await talk.ask(f"q{number}")
    assert holder.places == (talks[0].memory.place, talks[1].memory.place)
    assert server.deleted == []
    seeds = [request for request in server.responses if "previous_response_id" not in request.json]
    assert len(seeds) == 2


async def test_nobody_is_pushed_out_in_the_midst_of_an_answer(
    server: ModelServer, chat: Callable[..., Chat], holder: Holder
) -> None:
    first, second = chat(hold_conversations=1), chat(hold_conversations=1)
    await first.ask("one")
    await first.ask("two")
    server.endless = True
    first.told.append({"role": "user", "content": "three"})
    async with aclosing(first.coming(first.told).pieces()) as pieces:
        await anext(pieces)
        server.endless = False
        await second.ask("one")
        await second.ask("two")
        assert holder.places == (first.memory.place,)
    await second.ask("three")
    assert holder.places == (second.memory.place,)


async def test_one_that_loses_its_place_before_its_answer_is_kept_leaves_nothing(
    server: ModelServer, chat: Callable[..., Chat]
) -> None:
    first, second = chat(hold_conversations=1), chat(hold_conversations=1)
    await first.ask("one")
    first.told.append({"role": "user", "content": "two"})
    coming = first.coming(first.told)
    text = "".join([piece async for piece in coming.pieces()])
    await second.ask("one")
    await second.ask("two")
    coming.keep(text)
    first.told.append({"role": "assistant", "content": text})
    assert len(server.stored.held) == 1
    await second.memory.end()
    assert server.stored.held == {}


async def test_stop_while_something_is_deleted_does_not_keep_it(
    server: ModelServer, chat: Callable[..., Chat], journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped, answer = asyncio.Event(), server._answer

    async def deletes_slowly(received: Received, writer: asyncio.StreamWriter) -> bool:
        if received.method == "DELETE":
            await stopped.wait()
        return await answer(received, writer)

    monkeypatch.setattr(server, "_answer", deletes_slowly)
    talk = chat()
    for question in ("one", "two", "three", "four"):
        await talk.ask(question)
    talk.edit(1, "another two")
    asking = asyncio.create_task(talk.answered())
    await until(lambda: len(server.deleted) > 0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    stopped.set()
    await until(lambda: not server.stored.held)
    await until(lambda: not Journal(journal).records)


async def test_the_end_of_a_chat_leaves_nothing(
    server: ModelServer, chat: Callable[..., Chat], holder: Holder, journal: Path
) -> None:
    talk, other = chat(), chat()
    for each in (talk, other):
        for question in ("one", "two", "three"):
            await each.ask(question)
    await talk.memory.end()
    assert len(server.stored.held) == 2
    assert holder.places == (other.memory.place,)
    assert {record.id for record in Journal(journal).records} == set(server.stored.held)
    assert await talk.ask("four") == ANSWER, "the page may come back"


async def test_an_answer_that_ends_after_its_chat_leaves_nothing(
    server: ModelServer, chat: Callable[..., Chat], journal: Path
) -> None:
    talk = chat()
    await talk.ask("one")
    await talk.ask("two")
    server.gated = True
    asking = asyncio.create_task(talk.ask("three"))
    await until(lambda: len(server.responses) == 2)
    await talk.memory.end()
    server.let_go(100)
    assert await asking == ANSWER
    await until(lambda: not server.stored.held)
    await until(lambda: not Journal(journal).records)


async def test_an_answer_that_begins_after_its_chat_is_not_held(
    server: ModelServer, holder: Holder, chat: Callable[..., Chat]
) -> None:
    talk = chat()
    for question in ("one", "two"):
        await talk.ask(question)
    coming = talk.coming([*talk.told, {"role": "user", "content": "three"}])  # it waits in the line
    await talk.memory.end()
    assert "".join([piece async for piece in coming.pieces()]) == ANSWER
    assert (held(server), holder.places) == ([], ())
    await talk.ask("three")  # the page is back
    assert len(held(server)) == 1


async def test_the_end_of_the_app_in_an_answer_leaves_what_the_next_start_finds(
    server: ModelServer, holder: Holder, chat: Callable[..., Chat], journal: Path
) -> None:
    talk = chat()
    for question in ("one", "two"):
        await talk.ask(question)
    talk.told.append({"role": "user", "content": "three"})
    server.endless = True
    async with aclosing(talk.coming(talk.told).pieces()) as pieces:
        await anext(pieces)
        await holder.close()
        assert [each.id for each in Journal(journal).records] != []
    await until(lambda: Journal(journal).records == [])


async def test_trouble_in_passing_does_not_end_the_holding(server: ModelServer, chat: Callable[..., Chat]) -> None:
    talk = chat()
    await talk.ask("one")
    server.loaded_refuses = "503 Service Unavailable", {"error": {"message": "starting"}}
    await talk.ask("two")
    server.loaded_refuses = None
    await talk.ask("three")
    assert len(server.responses) == 1


async def test_the_end_of_the_app_leaves_nothing(
    server: ModelServer, chat: Callable[..., Chat], holder: Holder, journal: Path
) -> None:
    for talk in (chat(), chat()):
        await talk.ask("one")
        await talk.ask("two")
    assert len(server.stored.held) == 2
    await holder.close()
    assert server.stored.held == {}
    assert Journal(journal).records == []


async def test_what_a_crash_left_is_deleted_at_the_next_start(
    server: ModelServer, chat: Callable[..., Chat], journal: Path
) -> None:
    talk = chat()
    for question in ("one", "two", "three"):
        await talk.ask(question)
    server.endless = True
    await talk.ask_and_stop("four")  # nobody had the time to delete it
    assert journal.stat().st_mode & 0o777 == 0o600
    assert "one" not in journal.read_text()
    await Holder(Journal(journal)).clear_leftovers("no key")
    assert server.stored.held == {}
    assert Journal(journal).records == []


async def test_what_can_not_be_deleted_now_is_deleted_later(
    server: ModelServer, chat: Callable[..., Chat], holder: Holder, journal: Path
) -> None:
    talk = chat()
    await talk.ask("one")
    await talk.ask("two")
    server.refuses = ("503 Service Unavailable", {"error": {"message": "no"}})
    await talk.memory.end()
    assert len(Journal(journal).records) == 1
    server.refuses = None
    other = chat()
    await other.ask("one")
    await other.ask("two")
    await other.memory.end()
    assert server.stored.held == {}
    assert Journal(journal).records == []


async def test_what_can_not_be_noted_is_not_held(server: ModelServer, chat: Callable[..., Chat], journal: Path) -> None:
    journal.parent.write_text("a file where the folder should be")
    talk = chat()
    assert [await talk.ask("one"), await talk.ask("two")] == [ANSWER, ANSWER]
    await until(lambda: not server.stored.held)
    assert await talk.ask("three") == ANSWER
    assert len(server.responses) == 1


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', '[["http://127.0.0.1:1"]]', "[1]"])
def test_a_damaged_note_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "held.json").write_text(text)
    assert Journal(tmp_path / "held.json").records == []


def test_notes_last(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "held.json")
    for number in range(3):
        journal.add(Record("http://a", f"resp_{number}"))
    journal.remove(Record("http://a", "resp_1"))
    journal.remove(Record("http://b", "resp_2"))
    assert [record.id for record in Journal(tmp_path / "held.json").records] == ["resp_0", "resp_2"]
    assert [file.name for file in tmp_path.iterdir()] == ["held.json"]
