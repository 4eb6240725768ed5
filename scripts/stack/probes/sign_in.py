"""What can come of signing in to a page, besides that it works."""

from __future__ import annotations


class SignInRefusedError(Exception):
    """The page does not know the account, or not this password."""


class LockedOutError(Exception):
    """There were too many sign-ins; the right password would be refused as well.

    Attributes:
        seconds: how long to wait, without trying, until all of that is forgotten.
    """

    def __init__(self, said: str, seconds: int) -> None:
        super().__init__(said)
        self.seconds = seconds
