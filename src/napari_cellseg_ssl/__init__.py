"""Segment cells with few labels or none: the public names for notebooks and scripts.

Everything is loaded when it is first used, so that ``import napari_cellseg_ssl`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cellseg_ssl import core as core
    from napari_cellseg_ssl import tasks as tasks
    from napari_cellseg_ssl.api import load_run, methods, predict, segment, train
    from napari_cellseg_ssl.api_alike import alike
    from napari_cellseg_ssl.api_coco import write_coco
    from napari_cellseg_ssl.api_drawing import interpolate, synthesise
    from napari_cellseg_ssl.api_pretraining import compare_pretraining
    from napari_cellseg_ssl.api_scores import score, segment_scored
    from napari_cellseg_ssl.api_starters import fits, starters
    from napari_cellseg_ssl.api_steps import steps
    from napari_cellseg_ssl.core.bundle import ModelBundle
    from napari_cellseg_ssl.core.coco_files import read_coco

__version__ = "0.1.0"
__all__ = [
    "train",
    "predict",
    "segment",
    "segment_scored",
    "steps",
    "alike",
    "score",
    "compare_pretraining",
    "synthesise",
    "interpolate",
    "read_coco",
    "write_coco",
    "load_run",
    "starters",
    "fits",
    "methods",
    "ModelBundle",
    "tasks",
    "core",
]

_HOMES = {
    **dict.fromkeys(("train", "predict", "segment", "load_run", "methods"), "napari_cellseg_ssl.api"),
    **dict.fromkeys(("synthesise", "interpolate"), "napari_cellseg_ssl.api_drawing"),
    "alike": "napari_cellseg_ssl.api_alike",
    **dict.fromkeys(("starters", "fits"), "napari_cellseg_ssl.api_starters"),
    **dict.fromkeys(("score", "segment_scored"), "napari_cellseg_ssl.api_scores"),
    "compare_pretraining": "napari_cellseg_ssl.api_pretraining",
    "steps": "napari_cellseg_ssl.api_steps",
    "read_coco": "napari_cellseg_ssl.core.coco_files",
    "write_coco": "napari_cellseg_ssl.api_coco",
    "ModelBundle": "napari_cellseg_ssl.core.bundle",
}


def __getattr__(name: str) -> Any:
    if name in ("tasks", "core"):
        return import_module(f"napari_cellseg_ssl.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
