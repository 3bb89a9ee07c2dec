"""What a function of a `messages.py` says, whatever the values: so that a better wording breaks no test."""

import inspect
import re


class AnyValue:
    """Stands for a value in a sentence."""

    def __format__(self, how):
        return "\0"

    __str__ = __repr__ = lambda self: "\0"


def saying(message, **values):
    """Return a pattern of what `message` says; values that are given have to be in it."""
    arguments = {name: values.get(name, AnyValue()) for name in inspect.signature(message).parameters}
    return re.escape(str(message(**arguments))).replace("\0", ".*").replace(re.escape("\0"), ".*")
