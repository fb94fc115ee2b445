from datetime import timedelta

from src.core.base.window import Window


def cut(whole: Window, days: int) -> list[Window]:
    """The oldest first; the last is what is left."""
    starts = [whole.start + timedelta(offset) for offset in range(0, len(whole), days)]
    return [Window(start, min(start + timedelta(days - 1), whole.end)) for start in starts]
