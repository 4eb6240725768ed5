"""What models there are, and having one on this machine: the SDK asked in short-lived processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from stack.parts.foundry.catalog import host_answers
from stack.parts.foundry.choose import Choice
from stack.parts.foundry.model import Model
from stack.parts.foundry.native import command, data_folder, environment, missing_library
from stack.parts.model import prepare as prepare_embedded
from stack.parts.model.files import make_folder
from stack.settings import Settings
from stack.tools.errors import StackError
from stack.tools.process import stream
from stack.tools.progress import Progress
from stack.tools.text import one_line

LAST_WORDS = 400  # characters of the runtime's output that an error shows


class FoundryLibrary:
    """A `choose.Library`: Foundry's catalog and this machine's model cache."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self.progress = progress

    def offered(self) -> list[Model]:
        """What the catalog offers this machine; nothing where it does not answer."""
        self.progress("Asking Foundry's catalog")
        return self._models("list") if host_answers(self.settings.catalog_url) else []

    def downloaded(self) -> list[Model]:
        """What is in the model cache; asks nobody."""
        return self._models("downloaded") if self.settings.models.exists() else []

    def bring(self, choice: Choice) -> None:
        """Have the chosen model in the model cache; progress shows how much is done.

        An interrupted download is taken up again by the next one.

        Raises:
            StackError: ``disk-full`` before anything is written, ``model-download-failed``, or why the embedded
                model can't be made.
        """
        if choice.catalog == "embedded":
            prepare_embedded(self.settings.models, self.progress)
            return
        if choice.downloaded:
            return
        self.progress(f"Downloading {choice.id}", 0.0)

        def on_news(news: dict[str, Any]) -> None:
            if "fraction" in news:
                self.progress(f"Downloading {choice.id}", news["fraction"])

        problem = self._prepare("download", on_news, "--model", choice.id)
        if problem is not None:
            raise StackError(
                f"The model {choice.alias} could not be downloaded: {problem}.",
                fix="Run the command again, it goes on where it ended. See whether a proxy or firewall is in the way.",
                cause="model-download-failed",
            )

    def _models(self, what: str) -> list[Model]:
        found: list[Model] = []

        def on_news(news: dict[str, Any]) -> None:
            if "model" in news:
                found.append(Model(**news["model"]))

        self._prepare(what, on_news)
        return found

    def _prepare(self, what: str, on_news: Callable[[dict[str, Any]], None], *more: str) -> str | None:
        """Run `prepare`; returns what went wrong in the runtime's words, None when all went well."""
        other_lines: list[str] = []
        error: dict[str, Any] | None = None
        done = False

        def on_line(line: str) -> None:
            nonlocal error, done
            try:
                news = json.loads(line)
            except ValueError:
                other_lines.append(line)
                return
            error = news.get("error", error)
            done = done or news.get("done", False)
            on_news(news)

        make_folder(self.settings.models)
        argv = command(
            "prepare", what, "--data", str(data_folder(self.settings)), "--models", str(self.settings.models)
        )
        argv += ["--catalog-url", self.settings.catalog_url, *more]
        stream(argv, on_line, env=environment(self.settings, may_go_out=what != "downloaded"))
        output = "\n".join(other_lines)
        if error and error["cause"]:
            raise StackError(**error)
        if missing := missing_library(f"{error} {output}"):
            raise missing
        if done:
            return None
        return one_line(error["message"] if error else output[-LAST_WORDS:], LAST_WORDS)
