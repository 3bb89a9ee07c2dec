"""A clock that goes on only when told: what lasts how long does not depend on the machine."""

from types import SimpleNamespace


class Clock:
    """In place of `time`, in a module that reads it or sleeps."""

    def __init__(self, now=1000.0):
        self.now = now

    def advance(self, seconds):
        self.now += seconds

    def put_into(self, monkeypatch, *modules):
        """Let modules read this clock; whoever sleeps makes it go on."""
        stand_in = SimpleNamespace(monotonic=lambda: self.now, sleep=self.advance)
        for module in modules:
            monkeypatch.setattr(module, "time", stand_in)
