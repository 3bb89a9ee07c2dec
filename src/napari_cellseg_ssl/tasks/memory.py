"""What every job needs around it: memory given back, and running out of it said in one sentence."""

import gc
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from napari_cellseg_ssl.core.inference.tiling import is_out_of_memory
from napari_cellseg_ssl.core.io.records import DAMAGES
from napari_cellseg_ssl.tasks import messages

EventT = TypeVar("EventT")
HINTS = {
    "Training": "Use a smaller batch or crop size, a smaller preset, or the device 'cpu'; or close other programs.",
    "Prediction": "Close other programs, or choose the device 'cpu'.",
}


@contextmanager
def guarded(job: str, *, tidy: bool = True) -> Iterator[None]:
    """Run a job; whatever ends it, its memory is free afterwards.

    Parameters
    ----------
    tidy : bool
        Give cached GPU memory back also after success; False for what runs while a slider is dragged. Without a GPU
        there is none, and collecting garbage would stop a window for a quarter of a second.

    Raises
    ------
    OutOfMemory
        In place of torch's RuntimeError and Python's MemoryError. Other errors pass unchanged.
    """
    failed = True
    try:
        yield
        failed = False
    except (MemoryError, RuntimeError) as problem:
        if not is_out_of_memory(problem):
            raise
        forget(problem)
        raise messages.out_of_memory(job, HINTS.get(job, "Close other programs, or work on a smaller image.")) from None
    finally:
        if failed or (tidy and _holds_gpu_memory()):
            release_memory()


@contextmanager
def closed_after(events: Iterator[EventT]) -> Iterator[Iterator[EventT]]:
    """Close a stream of events once nobody listens, in the thread that did, not whenever it is collected."""
    try:
        yield events
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()


@contextmanager
def blaming(file: str) -> Iterator[None]:
    """Say that a file is damaged where making use of what was read from it raises what damage does.

    Raises
    ------
    WrongRun
        In place of such errors.
    """
    try:
        yield
    except (*DAMAGES, IndexError) as problem:
        raise messages.file_damaged(file, problem) from problem


def forget(problem: BaseException) -> None:
    """Drop the tensors that the frames of a caught exception still hold."""
    traceback.clear_frames(problem.__traceback__)
    problem.__traceback__ = None


def release_memory() -> None:
    """Collect garbage and return cached GPU memory, without importing torch for it."""
    gc.collect()
    if _holds_gpu_memory():
        sys.modules["torch"].cuda.empty_cache()


def _holds_gpu_memory() -> bool:
    torch = sys.modules.get("torch")
    return bool(torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized())
