"""Errors of the libraries that decode files, as one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.core.io import messages

CODECS = "imagecodecs"


@contextmanager
def decoding(source: Path | str, hint: str = "Is the file complete?", kind: str = "") -> Iterator[None]:
    """Read a file with other people's decoders; whatever they raise is said in one line that names it.

    Parameters
    ----------
    source : Path or str
        The file, or the name of its image.
    hint : str
        What may be wrong with such a file.
    kind : str
        What it cannot be read as, such as "OME-Zarr".

    Raises
    ------
    WrongImage
        In place of every error of a decoder.
    """
    try:
        yield
    except (CellSegError, MemoryError):  # jobs know what to do when memory is out
        raise
    except Exception as problem:  # each decoder has errors of its own, derived from nothing in common
        text = " ".join((repr(problem) if isinstance(problem, KeyError) else str(problem)).split())
        text = text or type(problem).__name__
        if CODECS in text:
            hint = f"Install it: pip install {CODECS}."
        what = f" as {kind}" if kind else ""
        raise messages.cannot_be_read(source, what, text.rstrip("."), hint) from problem
