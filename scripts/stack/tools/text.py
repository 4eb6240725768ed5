"""Small helpers for text that people read."""


def one_line(text: str, limit: int) -> str:
    """The text on one line, cut to ``limit`` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def in_mb(size: int) -> str:
    """A number of bytes, as people read it."""
    return f"{size / 1_000_000:,.1f} MB"
