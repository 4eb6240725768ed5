"""The one exception that reaches the user: what is wrong, and the next step."""


class StackError(Exception):
    """Something the user can act on.

    Args:
        message: what is wrong, in the user's words, one or two sentences.
        fix: the next step, preferably a command that can be pasted.
        cause: a short stable kebab-case code, such as ``port-taken``.
        exit_code: what the script exits with: 1 broken, 2 could not even try.
    """

    def __init__(self, message: str, *, fix: str, cause: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.cause = cause
        self.exit_code = exit_code
