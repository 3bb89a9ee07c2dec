"""The methods there are, and models from run folders and starters."""

from pathlib import Path
from typing import Literal

from napari_cellseg_ssl.core.methods.base import MethodInfo, method_infos
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.starters import PREFIX, load_starter


def methods() -> tuple[MethodInfo, ...]:
    """Describe the methods there are."""
    return method_infos()


def load_run(path: str | Path) -> ModelBundle:
    """Open a run folder, or the starter model NAME by "starter:NAME".

    Raises
    ------
    WrongRun
        If it is not one, or is damaged; or if there is no such starter.
    """
    if str(path).startswith(PREFIX):
        return load_starter(str(path))
    return ModelBundle.load(Path(path))


def start(model: str | Path | ModelBundle | None) -> ModelBundle | Literal["auto"] | None:
    """Return what a training begins with: a model, nothing, or what is chosen later."""
    if model is None or (isinstance(model, str) and model == "none"):
        return None
    return "auto" if isinstance(model, str) and model == "auto" else opened(model)


def opened(model: str | Path | ModelBundle) -> ModelBundle:
    """Return a model, read from its folder where it is not there yet."""
    return model if isinstance(model, ModelBundle) else load_run(model)
