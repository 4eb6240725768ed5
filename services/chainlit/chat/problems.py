"""Every error as the user sees it: what is wrong, and the command that helps."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import openai

UP = "`python3 scripts/up.py`"
PROBE = "`python3 scripts/probe.py`"
LOAD = "python3 scripts/foundry.py load"


class Problem(Exception):  # noqa: N818  (a page full of these reads better without Error)
    """Something the user can act on.

    Args:
        cause: short stable kebab-case code; the same codes as the gateway, the relay and the probe use.
        what: what is wrong, in the user's words (Markdown).
        fix: the next step, preferably a command.
        private: ``what`` quotes the user, or may, as a cloud's own words do; so it is not for the log.
    """

    def __init__(self, cause: str, what: str, fix: str, *, private: bool = False) -> None:
        super().__init__(what)
        self.private = private
        self.cause = cause
        self.what = what
        self.fix = fix

    @property
    def markdown(self) -> str:
        return f"**{self.what}**\n\n{self.fix} *({self.cause})*"


class TooLong(Problem):
    """The conversation is more than the model can take in; ``said`` are the server's words, perhaps with numbers."""

    def __init__(self, what: str, fix: str, said: str) -> None:
        super().__init__("context-too-long", what, fix)
        self.said = said


@dataclass(frozen=True)
class Advice:
    what: str
    fix: str


# What the gateway and the relay answer in their own name: {"error": {"type": "stack_error", "code": ...}}.
STACK_ERRORS = {
    "foundry-not-running": Advice(
        "Foundry Local is not running on the host.",
        f"Start it with {UP}, then just send your message again.",
    ),
    "foundry-hangs": Advice(
        "Foundry Local took the question but gives no answer.",
        f"It may be busy: try again in a moment. If it repeats, {PROBE} says what is wrong.",
    ),
    "busy": Advice("The server has too much to do.", "Send your message again in a moment."),
    "relay-down": Advice(
        "The relay on the host, the way to Foundry Local, does not answer.",
        f"Start it with {UP}, then just send your message again.",
    ),
    "relay-token-wrong": Advice(
        "The relay on the host refuses this stack's token: it belongs to another start of the stack.",
        f"Make the two agree with {UP}, then just send your message again.",
    ),
    "host-not-allowed": Advice(
        "The relay on the host does not accept the host name in `BASE_URL`.",
        "Use `BASE_URL=http://127.0.0.1:51211` outside a container; leave it unset inside the stack.",
    ),
    "not-allowed": Advice(
        "The gateway does not pass on what this app asked for.",
        f"{PROBE} shows whether gateway and relay are the ones of this stack; {UP} puts them right.",
    ),
    "cloud-not-configured": Advice(
        "No cloud is set up any more, or the way there is not open yet.",
        f"Set `CLOUD_URL` in `.env`, then {UP}. Without it all questions are answered on this machine.",
    ),
    "cloud-not-allowed": Advice(
        "The way to the cloud is closed for this chat: its token belongs to another start of the stack.",
        f"Make the two agree with {UP}, then just send your message again.",
    ),
    "cloud-down": Advice(
        "The cloud can't be reached, or has trouble of its own.",
        f"Try again later, or let this machine answer. If it repeats, {PROBE} says what is wrong.",
    ),
    "cloud-hangs": Advice(
        "The cloud took the question but gives no answer.",
        "Try again in a moment, or let this machine answer.",
    ),
    "cloud-busy": Advice(
        "The cloud has been asked too much, or has nothing left to be asked for.",
        "Wait a little, or let this machine answer. If it stays so, look at the quota on the provider's own page.",
    ),
    "cloud-key-wrong": Advice(
        "The cloud does not let the stack's key in.",
        f"Correct `CLOUD_API_KEY` in `.env`, then {UP}.",
    ),
    "cloud-not-trusted": Advice(
        "Who answers at the cloud's address can't prove to be it, so nothing was sent.",
        f"Correct `CLOUD_URL` in `.env`, then {UP}. Where a company's proxy opens TLS, `SSL_CERT_FILE` names its file.",
    ),
    "cloud-address-wrong": Advice(
        "What answers at the cloud's address is no model server, or it has no such model.",
        f"Correct `CLOUD_URL` or `CLOUD_MODEL` in `.env`, then {UP}.",
    ),
    "cloud-refused": Advice(
        "The cloud refused the question.",
        "Put it in other words or send a shorter text, or let this machine answer.",
    ),
    "too-large": Advice(
        "This conversation has grown larger than what the gateway passes on.",
        "Start a new chat, or send a shorter text.",
    ),
}

IT_SAYS = " The cloud says: "  # as scripts/stack/parts/relay/cloud_answers.py writes it
CONTEXT_FULL = re.compile(r"context[ _](?:length|window|size)", re.IGNORECASE)
FOUNDRY_BUDGET = re.compile(r"requires (\d+) total tokens \((\d+) input \+ (\d+) output\).*?(\d+) tokens", re.DOTALL)


def from_openai(error: openai.OpenAIError, *, root: str, model: str | None = None) -> Problem:  # noqa: PLR0911  (one each)
    """What an exception of the OpenAI client means to the user.

    Args:
        root: the server that was asked, without `/v1`.
        model: the model id that was asked, if it came that far.
    """
    match error:
        case openai.APITimeoutError():
            return silent(root)
        case openai.APIConnectionError():
            return unreachable(root)
        case openai.APIError() if error.code in STACK_ERRORS:
            advice = STACK_ERRORS[error.code]
            said = _of_the_cloud(error.message)
            return Problem(error.code, f"{advice.what}{said}", advice.fix, private=said != "")
        case openai.APIError() if CONTEXT_FULL.search(f"{error.code} {error.message}"):
            return _too_long(error.message, model)
        case openai.NotFoundError() | openai.BadRequestError() if model and "not loaded" in error.message.lower():
            return Problem(
                "model-not-loaded",
                f"The model `{model}` is not loaded any more.",
                f"Load it with `{LOAD} {model}`, then just send your message again.",
            )
        case openai.NotFoundError() if model:
            return Problem(
                "model-unknown", f"The server at `{root}` has no model `{model}`.", f"{PROBE} lists what it has."
            )
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return Problem(
                "api-key-refused",
                f"The server at `{root}` refuses the API key.",
                "Set `API_KEY` to the one it wants. Foundry Local itself needs none: is this the server you mean?",
            )
        case openai.RateLimitError():
            return Problem("busy", STACK_ERRORS["busy"].what, STACK_ERRORS["busy"].fix)
        case openai.APIStatusError():
            return Problem(
                "server-error",
                f"The server at `{root}` answered with an error ({error.status_code}): {_plain(error.message)}",
                f"Send your message again; if it repeats, {PROBE} says what is wrong.",
            )
        case openai.APIError():
            return _broke_off(error.message)
        case _:
            return unexpected(error)


def silent(root: str) -> Problem:
    """It takes the connection, and then there comes nothing."""
    return Problem("foundry-hangs", f"`{root}` is there but gives no answer.", STACK_ERRORS["foundry-hangs"].fix)


def unreachable(root: str) -> Problem:
    """Nobody listens there, or the name is not known."""
    return Problem(
        "connection-refused",
        f"No model server answers at `{root}`.",
        f"Start what is missing with {UP}, then just send your message again. {PROBE} shows what is missing.",
    )


def not_a_model_server(root: str) -> Problem:
    """Somebody answers there, but not as OpenAI's servers and their likes do."""
    return Problem(
        "not-a-model-server",
        f"What answers at `{root}` is not an OpenAI-compatible server.",
        f"Set `BASE_URL` to the address of one, or free that port for Foundry Local and run {UP}.",
    )


def not_a_stream(body: str, *, root: str, model: str) -> Problem:
    """A stream was asked for, and there came something whole, under status 200."""
    try:
        error = json.loads(body)["error"]
        message = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        return unreadable(root)
    return of_message(message, model)


def of_message(message: str, model: str) -> Problem:
    """An error of which there are the server's words only."""
    return _too_long(message, model) if CONTEXT_FULL.search(message) else _broke_off(message)


def unreadable(root: str) -> Problem:
    """What came is not what such a server sends."""
    return Problem(
        "unknown",
        f"What the server at `{root}` sends can't be read as an answer.",
        f"Send your message again; if it repeats, {PROBE} says what is wrong.",
    )


def too_many(before: int) -> Problem:
    """The line is full."""
    return Problem(
        "busy",
        f"Too many are asking: {before} are being answered or waiting before you, and more can't wait.",
        "Send your message again in a moment. (`LINE_LENGTH` in `.env` sets how many may wait.)",
    )


def stream_cut(*, begun: bool = True) -> Problem:
    """The answer ended without the model saying that it is complete."""
    kept, where = ("What came is kept. ", "in the middle") if begun else ("", "before a word came")
    return Problem(
        "stream-cut",
        f"The answer broke off: the connection to the model ended {where}.",
        f"{kept}Send your message again; if it repeats, {PROBE} says what is wrong.",
    )


def empty_answer(model: str) -> Problem:
    return Problem(
        "empty-answer",
        f"The model `{model}` ended its answer without a word.",
        "Put the question in other words, or start a new chat.",
    )


def unexpected(error: BaseException) -> Problem:
    """A defect of this app; the container's log has the traceback."""
    return Problem(
        "unknown",
        f"The chat app itself failed ({type(error).__name__}).",
        "Send your message again. The reason is in the log: `docker compose logs chainlit`.",
    )


def _broke_off(message: str) -> Problem:
    return Problem(
        "stream-error-event",
        f"The model broke off with an error: {_plain(message)}",
        f"Send your message again; if it repeats, {PROBE} says what is wrong.",
    )


def _too_long(message: str, model: str | None) -> TooLong:
    what = f"This conversation is too long for {f'`{model}`' if model else 'the model'}."
    if numbers := FOUNDRY_BUDGET.search(message):
        prompt, answer, limit = (int(number) for number in numbers.groups()[1:])
        what += f" It has {prompt} tokens, {answer} are kept free for the answer, and the model takes {limit} in all."
        if answer > limit / 2:  # a shorter text would hardly help
            fix = f"Set `MAX_TOKENS` in `.env` to much less than {limit}, run {UP}, then send your message again."
            return TooLong(what, fix, message)
    return TooLong(
        what, "Start a new chat, or send a shorter text. A lower `MAX_TOKENS` keeps less free for the answer.", message
    )


def _of_the_cloud(message: str) -> str:
    """The provider's own words, which the relay puts at the end of its message; empty where there are none."""
    _, _, said = message.partition(IT_SAYS)
    return f" It says: {_plain(said)}" if said else ""


def _plain(message: str) -> str:
    """One line of what the server said, short enough for a chat, and unable to act as Markdown."""
    line = " ".join(message.split())
    return f"`{line[:300].replace('`', chr(39))}`"
