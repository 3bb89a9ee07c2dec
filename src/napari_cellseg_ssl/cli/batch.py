"""Doing many things one after the other, whatever happens to one of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_cellseg_ssl.cli import messages
from napari_cellseg_ssl.cli.console import Console
from napari_cellseg_ssl.core.errors import CellSegError


class Batch:
    """Files that are done one by one; those that cannot be are named at once and told of at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._problems: dict[Path, Exception] = {}

    @contextmanager
    def doing(self, file: Path) -> Iterator[None]:
        """Do one file; an error is told, and then the next one can be done."""
        try:
            yield
        except BrokenPipeError:  # nobody listens any more
            raise
        except Exception as problem:  # noqa: BLE001 - of whatever kind: the others can still be done
            self.refuse(file, problem)

    def refuse(self, file: Path, problem: Exception) -> None:
        """Say that a file cannot be done, and why."""
        self._problems[file] = problem
        self._console.complain(_about(file, problem))

    def has_failed(self, file: Path) -> bool:
        """Whether a file could not be done."""
        return file in self._problems

    @property
    def count(self) -> int:
        """How many could not be done."""
        return len(self._problems)

    def told(self) -> list[str]:
        """Return what was said of each that could not be done."""
        return [str(_about(file, problem)) for file, problem in self._problems.items()]

    def end(self, summary: CellSegError) -> None:
        """End a batch in which not everything could be done, with the right exit code.

        Raises
        ------
        Exception
            The first error that nobody foresaw.
        CellSegError
            The summary, if all errors are of the kind that a person can mend.
        """
        for problem in self._problems.values():
            if not isinstance(problem, CellSegError):
                raise problem
        if self._problems:
            raise summary


def _about(file: Path, problem: Exception) -> CellSegError:
    """Name the file, where the message does not yet."""
    if not isinstance(problem, CellSegError):
        return messages.unexpected_problem(file, type(problem).__name__, problem)
    if str(file) in problem.message:
        return problem
    return type(problem)(f"{file}: {problem.message}", problem.hint)
