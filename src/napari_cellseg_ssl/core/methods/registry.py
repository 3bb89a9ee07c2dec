"""The methods there are: id -> module with a `METHOD`, imported on first use."""

from difflib import get_close_matches
from importlib import import_module
from types import ModuleType

from napari_cellseg_ssl.core.methods import messages

METHODS = {
    "cellulus": "napari_cellseg_ssl.core.methods.cellulus",
    "actis": "napari_cellseg_ssl.core.methods.actis",
    "maunet": "napari_cellseg_ssl.core.methods.maunet",
    "cellulus_supported": "napari_cellseg_ssl.core.methods.cellulus_supported",
    "adgan": "napari_cellseg_ssl.core.methods.adgan",
    "cupre": "napari_cellseg_ssl.core.methods.cupre",
    "classical": "napari_cellseg_ssl.core.methods.classical",
}


def method_module(method_id: str) -> ModuleType:
    """Import the module of a method; nothing else reaches into one.

    Raises
    ------
    WrongOption
        If there is no such method.
    """
    if method_id not in METHODS:
        close = get_close_matches(method_id, METHODS, n=1)
        meant = f"Did you mean '{close[0]}'? " if close else ""
        raise messages.no_such_method(method_id, meant, ", ".join(METHODS))
    return import_module(METHODS[method_id])
