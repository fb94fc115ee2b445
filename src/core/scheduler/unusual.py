class Unusual(Exception):
    """What is nearly always so was not. A unit that took it for granted is undone, and the careful way, which asks, is gone instead."""
