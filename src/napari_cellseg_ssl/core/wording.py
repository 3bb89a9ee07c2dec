"""Words for sentences."""

from collections.abc import Iterable

MOST_NAMED = 5


def listed(names: Iterable[str]) -> str:
    """Name some things, not more than a person would read."""
    names = list(names)
    shown = ", ".join(f"'{name}'" for name in names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"
