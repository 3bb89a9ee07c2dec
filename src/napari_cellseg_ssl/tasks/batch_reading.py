"""Reading files that belong together: all of them, or one error that names each that cannot be used."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.tasks import messages

NAMED = 10
"""So many of the files are named in one error."""
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def read_each(items: Iterable[ItemT], read: Callable[[ItemT], ResultT]) -> list[ResultT]:
    """Read all items, also those after one that cannot be read, so that all of these can be mended at once.

    Raises
    ------
    CellSegError
        That of the only item that cannot be read, or one that tells of all.
    """
    found, problems, count = [], [], 0
    for item in items:
        count += 1
        try:
            found.append(read(item))
        except CellSegError as problem:
            problems.append(problem)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        told = " ".join(problem.message for problem in problems[:NAMED])
        more = f" And {len(problems) - NAMED} more." if len(problems) > NAMED else ""
        raise messages.files_cannot_be_used(len(problems), count, told, more) from problems[0]
    return found
