"""Loading PyTorch without holding up the screen.

`import torch` keeps Python's lock while the system maps some hundred megabytes of libraries, and a window cannot
answer meanwhile. Mapping them first through ctypes releases the lock; the import then finds them in memory. Nor can it
answer while garbage is collected, and an import makes so many objects, all to stay, that they are looked through again
and again.
"""

import ctypes
import gc
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_cellseg_ssl.core.methods.events import Note
from napari_cellseg_ssl.tasks import messages

RTLD_NOW = 2
LIBRARIES = ("libc10", "libtorch_cpu", "libtorch", "libtorch_python")


def load_torch() -> Iterator[Note]:
    """Import PyTorch, once and gently; says so where it takes a moment."""
    if "torch" in sys.modules:
        return
    yield Note(messages.loading_torch())
    _map_libraries()
    with uncollected():
        import torch  # noqa: F401


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage meanwhile; what is made counts as old afterwards, instead of being looked through at once."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def _map_libraries() -> None:
    spec = importlib.util.find_spec("torch")
    if sys.platform == "win32" or spec is None or spec.origin is None:
        return
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    # A call through ctypes releases Python's lock; ctypes.CDLL(path) itself would not.
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    for name in LIBRARIES:
        file = Path(spec.origin).parent / "lib" / (name + suffix)
        if file.exists():
            dlopen(str(file).encode(), ctypes.DEFAULT_MODE | RTLD_NOW)
