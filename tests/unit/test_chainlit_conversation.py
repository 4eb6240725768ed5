"""What the model is told of a conversation."""

from dataclasses import dataclass
from typing import Any

from chat.conversation import ANSWER, ATTACHED, for_model, up_to, without_system
from chat.marked import COMMAND, PRIVATE, any_in


@dataclass
class Message:
    type: str
    content: str
    metadata: dict[str, Any] | None = None
    id: str = ""
    command: str | None = None


def question(text: str) -> Message:
    return Message("user_message", text)


def answer(text: str) -> Message:
    return Message("assistant_message", text, {ANSWER: "some-model:1"})


def notice(text: str) -> Message:
    return Message("assistant_message", text)


def test_tells_every_turn_and_nothing_the_app_says_itself() -> None:
    chat = [
        notice("**some-model:1** answers you."),
        question("What is the capital of France?"),
        answer("Paris."),
        notice("Task manually stopped."),
        question("And of Germany?"),
    ]
    assert for_model(chat) == [
        {"role": "user", "content": "What is the capital of France?"},
        {"role": "assistant", "content": "Paris."},
        {"role": "user", "content": "And of Germany?"},
    ]


def test_leaves_out_questions_without_an_answer_so_that_roles_take_turns() -> None:
    chat = [
        question("first"),
        notice("error"),
        question("again"),
        answer(""),
        question("third"),
        answer("yes"),
        question("now"),
    ]
    assert [(told["role"], told.get("content")) for told in for_model(chat)] == [
        ("user", "third"),
        ("assistant", "yes"),
        ("user", "now"),
    ]


def test_keeps_an_answer_that_was_stopped() -> None:
    chat = [question("a story"), answer("Once upon\n\n*(stopped)*"), question("go on")]
    assert for_model(chat)[1] == {"role": "assistant", "content": "Once upon\n\n*(stopped)*"}


def test_system_prompt_comes_first_and_only_if_there_is_one() -> None:
    assert for_model([question("hi")], "Be brief.")[0] == {"role": "system", "content": "Be brief."}
    assert for_model([question("hi")], None) == [{"role": "user", "content": "hi"}]


def test_an_answered_question_is_told_once() -> None:
    assert [told["role"] for told in for_model([question("hi"), answer("hello"), answer("again")])] == [
        "user",
        "assistant",
    ]


def test_the_system_prompt_is_told_apart() -> None:
    told = for_model([question("hi")], "Be brief.")
    assert without_system(told) == ("Be brief.", told[1:])
    assert without_system(told[1:]) == (None, told[1:])
    assert without_system([]) == (None, [])


def test_a_question_s_files_come_before_it_and_stay() -> None:
    chat = [
        Message("user_message", "What is the code?", {ATTACHED: "The file a.txt:\n\nKESTREL"}),
        answer("KESTREL."),
        question("Sure?"),
    ]
    assert [told.get("content") for told in for_model(chat)] == [
        "The file a.txt:\n\nKESTREL\n\nWhat is the code?",
        "KESTREL.",
        "Sure?",
    ]


def test_a_question_that_was_asked_later_is_no_part_of_what_was_said_before() -> None:
    first, second = (Message("user_message", text, id=text) for text in ("first", "second"))
    assert up_to(first, [first, second]) == [first]
    assert up_to(second, [first, second]) == [first, second]
    as_it_came_back = Message("user_message", "first, as it was stored", id="first")
    assert up_to(first, [as_it_came_back, second]) == [first]
    assert up_to(second, [first]) == [first, second], "the chat is just being taken up again"


def test_a_question_is_marked_by_the_button_or_by_its_chat() -> None:
    """The button's word comes with the question, so that nobody is between its being stored and its being marked."""
    assert any_in([question("a"), Message("user_message", "b", command=COMMAND)])
    assert any_in([question("a"), Message("user_message", "b", {PRIVATE: True})])
    assert not any_in([question("a"), Message("user_message", "b", {}, command="Other")])
