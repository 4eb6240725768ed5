"""What is going on and for how many seconds. Standard library only."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from stack.tools import consent
from stack.tools.progress import Progress

TICK = 0.5
PLAIN_TICK = 15.0  # seconds between two lines where lines can't be rewritten, as in a log
SILENT = 2.0  # what ends sooner is not worth a second line


@contextmanager
def elapsed(title: str, out: TextIO | None = None) -> Iterator[Progress]:
    """Show ``title`` with the seconds gone by until the block ends; yields what takes details as they come.

    On a terminal it is one line that is rewritten, elsewhere plain lines. Goes to standard error, so that what a
    script prints for another program stays clean.
    """
    out = out or sys.stderr
    line = _Rewritten(title, out) if out.isatty() else _Plain(title, out)
    before, consent.quiet_display = consent.quiet_display, line.quiet
    line.start()
    try:
        yield line.note
    except BaseException:
        line.stop(finished=False)
        raise
    finally:
        consent.quiet_display = before
    line.stop(finished=True)


class _Plain:
    tick = PLAIN_TICK

    def __init__(self, title: str, out: TextIO) -> None:
        self.title = title
        self.out = out
        self.detail = ""
        self.begin = time.monotonic()
        self._moves = threading.Lock()
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def note(self, text: str, fraction: float | None = None) -> None:
        self.detail = f"{text}, {fraction:.0%}" if fraction else text

    def start(self) -> None:
        print(f"{self.title} ...", file=self.out, flush=True)
        self._ticker.start()

    def stop(self, *, finished: bool) -> None:
        self._over.set()
        self._ticker.join()
        if finished and self.seconds >= SILENT:
            print(f"  done in {self.seconds:.0f} s", file=self.out, flush=True)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        with self._moves:
            self.clear()
            yield

    def clear(self) -> None:
        """Make room on the terminal for a question."""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begin

    def show(self) -> None:
        print(f"  {self.seconds:.0f} s: {self.detail or 'at it'}", file=self.out, flush=True)

    def _tick(self) -> None:
        while not self._over.wait(self.tick):
            with self._moves:
                self.show()


class _Rewritten(_Plain):
    tick = TICK

    def start(self) -> None:
        self.show()
        self._ticker.start()

    def stop(self, *, finished: bool) -> None:
        self._over.set()
        self._ticker.join()
        last = f"{self.title}: done in {self.seconds:.0f} s\n" if finished and self.seconds >= SILENT else ""
        print(f"\r\x1b[2K{last}", end="", file=self.out, flush=True)

    def clear(self) -> None:
        print("\r\x1b[2K", end="", file=self.out, flush=True)

    def show(self) -> None:
        text = f"{self.title}  {self.seconds:.0f} s  {self.detail}"
        print(f"\r\x1b[2K{text[: shutil.get_terminal_size().columns - 1]}", end="", file=self.out, flush=True)
