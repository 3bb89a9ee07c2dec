"""The methods there are: id -> module with a `METHOD`, imported on first use."""

from difflib import get_close_matches
from importlib import import_module
from typing import cast

from napari_cellseg_ssl.core.errors import WrongOption
from napari_cellseg_ssl.core.method import Method, MethodInfo

METHODS = {
    "cellulus": "napari_cellseg_ssl.core.methods.cellulus",
    "actis": "napari_cellseg_ssl.core.methods.actis",
    "maunet": "napari_cellseg_ssl.core.methods.maunet",
    "cellulus_supported": "napari_cellseg_ssl.core.methods.cellulus_supported",
    "adgan": "napari_cellseg_ssl.core.methods.adgan",
    "cupre": "napari_cellseg_ssl.core.methods.cupre",
    "classical": "napari_cellseg_ssl.core.methods.classical",
}


def get_method(method_id: str) -> Method:
    """Return a method by its id.

    Raises
    ------
    WrongOption
        If there is no such method.
    """
    if method_id not in METHODS:
        close = get_close_matches(method_id, METHODS, n=1)
        meant = f"Did you mean '{close[0]}'? " if close else ""
        raise WrongOption(f"There is no method '{method_id}'.", f"{meant}Choose one of: {', '.join(METHODS)}.")
    return cast(Method, import_module(METHODS[method_id]).METHOD)


def method_infos() -> tuple[MethodInfo, ...]:
    """Describe every method, in the order in which a user should meet them."""
    return tuple(get_method(method_id).info for method_id in METHODS)
