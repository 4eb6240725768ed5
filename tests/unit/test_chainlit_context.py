"""What fits the model: estimated, learned from the server, and cut from the conversation's beginning."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from chat import context
from chat.context import ASSUMED_LIMIT, Refusal, Window, known_limit, learn, limit_of, tokens_in
from chat.conversation import Told
from chat.server import Server, find
from chat.settings import Settings
from fakes.foundry import MODEL
from fakes.model_server import ModelServer

REFERENCE = Path(__file__).parents[1] / "reference"
FOUNDRY_SAYS = (
    "search_options.cc:108 int fl::ValidateGeneratorRequestBudget(int64_t, int, int) request requires 9031 total "
    "tokens (8007 input + 1024 output), which exceeds the model's maximum context length of 8192 tokens"
)
OPENAI_SAYS = (
    "This model's maximum context length is 4097 tokens. However, you requested 5360 tokens (1360 in the messages, "
    "4000 in the completion). Please reduce the length of the messages or completion."
)
VLLM_SAYS = (
    "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 4096 tokens "
    "and your request has 37 input tokens (4096 > 4096 - 37)."
)
LLAMA_CPP_SAYS = "the request exceeds the available context size (4096 tokens), try increasing it"


@pytest.fixture(autouse=True)
def unlearned() -> Iterator[None]:
    context.forget()
    yield
    context.forget()


@pytest.fixture
async def fake() -> AsyncIterator[ModelServer]:
    async with ModelServer() as running:
        yield running


@pytest.fixture
async def server(fake: ModelServer) -> Server:
    return await find(Settings(base_url=fake.url))


def conversation(questions: int, system: str = "", words: int = 100) -> list[Told]:
    """So many questions, the last without an answer; each text has so many words, and says which it is."""
    told: list[Told] = [{"role": "system", "content": system}] if system else []
    for number in range(questions):
        told.append({"role": "user", "content": f"q{number} " + "word " * words})
        told.append({"role": "assistant", "content": f"a{number} " + "word " * words})
    return told[:-1]


def beginnings(told: list[Told]) -> list[str]:
    return [each["content"].split()[0] for each in told]


def test_the_estimate_is_near_the_truth_and_rather_above_it() -> None:
    texts = json.loads((REFERENCE / "token_texts.json").read_text())
    counts = [len(ids) for ids in json.loads((REFERENCE / "token_ids.json").read_text())]
    ratios = [tokens_in(text) / count for text, count in zip(texts, counts, strict=True) if count > 20]
    assert len(ratios) > 60
    assert min(ratios) > 0.9
    assert max(ratios) < 2
    assert 1 < sum(map(tokens_in, texts)) / sum(counts) < 1.5


def test_it_learns_more_at_once_and_less_little_by_little() -> None:
    told = conversation(3)
    thought = sum(tokens_in(each["content"]) for each in told)
    learn("a:1", told, 3 * thought)
    more = tokens_in(told[0]["content"], "a:1")
    assert more > 2 * tokens_in(told[0]["content"])
    learn("a:1", told, thought)
    assert tokens_in(told[0]["content"]) * 1.2 < tokens_in(told[0]["content"], "a:1") < more
    for _ in range(20):
        learn("a:1", told, thought)
    assert tokens_in(told[0]["content"], "a:1") == pytest.approx(tokens_in(told[0]["content"]), rel=0.2)
    assert tokens_in(told[0]["content"], "b:1") == tokens_in(told[0]["content"])


def test_it_learns_nothing_from_a_few_words() -> None:
    learn("a:1", [{"role": "user", "content": "hi"}], 4000)
    assert tokens_in("hello", "a:1") == tokens_in("hello")


async def test_foundry_local_tells_its_limit_once(fake: ModelServer, server: Server) -> None:
    fake.stored.context_length = 5000
    assert [await limit_of(server, MODEL), await known_limit(server, MODEL)] == [5000, 5000]
    assert len([request for request in fake.requests if request.target == "/v1/chat/completions"]) == 1


@pytest.mark.parametrize(
    "says",
    [{"max_model_len": 5000}, {"context_length": 5000}, {"meta": {"n_ctx_train": 5000}}, {"context_window": "5000"}],
)
async def test_other_servers_tell_it_in_their_list(fake: ModelServer, server: Server, says: dict[str, Any]) -> None:
    fake.knows_loaded, fake.says_of_a_model = False, says
    assert await limit_of(server, MODEL) == 5000
    assert [request.target for request in fake.requests] == ["/models/loaded", "/v1/models"]


async def test_who_says_nothing_is_not_asked_again(fake: ModelServer, server: Server) -> None:
    fake.knows_loaded = False
    assert await known_limit(server, MODEL) is None
    assert await limit_of(server, MODEL) == ASSUMED_LIMIT
    assert len(fake.requests) == 2


async def test_what_was_said_once_does_not_count_for_ever(
    fake: ModelServer, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    Window().refused(
        conversation(2), server, MODEL, "the model's maximum context length of 16 tokens (31 input + 1024 output)"
    )
    assert await known_limit(server, MODEL) == 16
    monkeypatch.setattr(context, "LIMIT_COUNTS_SECONDS", 0.0)
    assert await known_limit(server, MODEL) == fake.stored.context_length


async def test_a_server_in_trouble_is_asked_again(fake: ModelServer, server: Server) -> None:
    fake.refuses = ("503 Service Unavailable", {"error": {"message": "no"}})
    assert await known_limit(server, MODEL) is None
    fake.refuses = None
    assert await known_limit(server, MODEL) == 8192


async def test_a_model_that_would_answer_anything_is_left_at_once(fake: ModelServer, server: Server) -> None:
    fake.stored.context_length, fake.endless = 10**12, True
    assert await known_limit(server, MODEL) is None
    await (await fake.request(1)).client_left.wait()


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        (FOUNDRY_SAYS, Refusal(8192, 8007)),
        (OPENAI_SAYS, Refusal(4097, 1360)),
        (VLLM_SAYS, Refusal(4096, 37)),
        (LLAMA_CPP_SAYS, Refusal(4096, None)),
        ("the context window is full", None),
    ],
)
def test_numbers_in_a_refusal(message: str, refusal: Refusal | None) -> None:
    assert Refusal.read(message) == refusal


async def test_what_fits_is_told_whole_and_nobody_is_asked(fake: ModelServer, server: Server) -> None:
    told = conversation(3, "Be brief.")
    assert await Window().fit(told, server, MODEL, 1000) == told
    assert fake.requests == []


async def test_system_prompt_and_newest_turns_stay(fake: ModelServer, server: Server) -> None:
    fake.stored.context_length = 4000
    window = Window()
    told = await window.fit(conversation(20, "Be brief."), server, MODEL, 1000)
    assert beginnings(told)[0] == "Be"
    assert beginnings(told)[1:] == beginnings(conversation(20))[-len(told) + 1 :]
    assert told[1]["role"] == told[-1]["role"] == "user"
    assert 1000 < sum(tokens_in(each["content"]) for each in told) < 3000
    assert window.left_out == 20 - len(told) // 2


async def test_the_beginning_stays_the_same_for_some_turns(fake: ModelServer, server: Server) -> None:
    """Else the server would have to compute everything anew for each."""
    fake.stored.context_length = 4000
    window = Window()
    begins = []
    for questions in range(1, 40):
        window.open()
        begins.append(beginnings(await window.fit(conversation(questions), server, MODEL, 1000))[0])
        window.settle()
    assert begins[0] == "q0"
    assert begins[-1] != "q0"
    assert 3 < len(set(begins)) < 9


async def test_an_answer_that_never_came_leaves_nothing_out_of_the_next(fake: ModelServer, server: Server) -> None:
    fake.stored.context_length = 4000
    window = Window()
    window.open()
    too_long = [*conversation(3)[:-1], {"role": "user", "content": "word " * 5000}]
    assert len(await window.fit(too_long, server, MODEL, 1000)) == 1  # type: ignore[arg-type]
    window.open()
    assert len(await window.fit(conversation(3), server, MODEL, 1000)) == 5


async def test_an_edit_before_the_cut_begins_anew(fake: ModelServer, server: Server) -> None:
    fake.stored.context_length = 4000
    window = Window()
    await window.fit(conversation(20), server, MODEL, 1000)
    window.settle()
    window.open()
    assert await window.fit(conversation(2), server, MODEL, 1000) == conversation(2)
    assert window.left_out == 0


async def test_an_edit_behind_the_cut_tells_what_fits_again(fake: ModelServer, server: Server) -> None:
    fake.stored.context_length = 4000
    window = Window()
    left = len(conversation(20)) - len(await window.fit(conversation(20), server, MODEL, 1000))
    window.settle()
    window.open()
    edited = conversation(left // 2 + 1)
    assert len(await window.fit(edited, server, MODEL, 1000)) > 3
    assert window.left_out < left // 2


async def test_a_model_that_takes_more_is_told_more(fake: ModelServer, server: Server) -> None:
    fake.stored.context_length = 4000
    window = Window()
    await window.fit(conversation(20), server, MODEL, 1000)
    window.settle()
    fake.knows_loaded, fake.models, fake.says_of_a_model = False, ["another:1"], {"context_length": 100_000}
    assert await window.fit(conversation(20), server, "another:1", 1000) == conversation(20)


async def test_what_the_server_has_counted_is_not_estimated(fake: ModelServer, server: Server) -> None:
    window = Window()
    told = conversation(3)
    window.count(told, MODEL, prompt=50, completion=7, answer="yes")
    longer: list[Told] = [*told, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "one two"}]
    assert 57 < window.size(longer, MODEL) < 70
    assert window.size([*told, {"role": "assistant", "content": "no"}], MODEL) > 400


async def test_a_refusal_without_numbers_halves_what_is_told(fake: ModelServer, server: Server) -> None:
    fake.knows_loaded = False
    window = Window()
    told = conversation(20)
    assert await window.fit(told, server, MODEL, 1000) == told
    window.refused(told, server, MODEL, "context window is full")
    half = await window.fit(told, server, MODEL, 1000)
    assert 15 < len(half) < 22
    window.refused(half, server, MODEL, "context window is full")
    assert 7 < len(await window.fit(told, server, MODEL, 1000)) < 12


async def test_a_refusal_with_numbers_is_obeyed(fake: ModelServer, server: Server) -> None:
    fake.knows_loaded = False
    window = Window()
    told = conversation(20)
    window.refused(await window.fit(told, server, MODEL, 1000), server, MODEL, FOUNDRY_SAYS)
    less = await window.fit(told, server, MODEL, 1000)
    # By the server's count each message is 205 tokens, and 0.6 of the room is taken.
    assert len(less) == pytest.approx((8192 - 1000) * 0.6 / 205, abs=3)
    assert await known_limit(server, MODEL) == 8192
