"""Errors that a user can mend: what is wrong, with the values, and what to do about it."""


class CellSegError(Exception):
    """Say what is wrong and what to do, in the user's words.

    Parameters
    ----------
    message : str
        The fact, with the values that show it.
    hint : str
        The act that mends it; empty where the message already says so.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint


class WrongImage(CellSegError):
    """The image cannot be used: shape, channels, values, or the file itself."""


class WrongAnnotation(CellSegError):
    """The painted labels cannot be used, or are not enough."""


class WrongOption(CellSegError):
    """An option is unknown, or its value is out of range."""


class WrongRun(CellSegError):
    """A run folder is damaged, foreign, or does not fit the task."""


class WouldOverwrite(CellSegError):
    """Something that this package did not write, or the work of another method, is where a result is to go."""


class OutOfMemory(CellSegError):
    """The job needs more memory than there is, even in its smallest pieces."""


def reason(problem: OSError) -> str:
    """Say why something could not be read or written, in the system's words, without its number and hidden names."""
    return problem.strerror or str(problem)


def how_to_read(problem: BaseException, otherwise: str) -> str:
    """Say what helps where something cannot be read: permission, or what helps otherwise."""
    return "Ask its owner for permission to read it." if isinstance(problem, PermissionError) else otherwise
