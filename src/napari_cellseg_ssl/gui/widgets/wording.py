"""Words that panels share."""


def counted(number: int, noun: str) -> str:
    """Write a number of things: 1 cell, 2 cells."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
