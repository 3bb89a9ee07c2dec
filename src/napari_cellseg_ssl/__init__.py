"""Segment cells with few labels or none: the public names for notebooks and scripts.

Everything is loaded when it is first used, so that ``import napari_cellseg_ssl`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_cellseg_ssl._version import __version__ as __version__

if TYPE_CHECKING:
    from napari_cellseg_ssl import core as core
    from napari_cellseg_ssl import tasks as tasks
    from napari_cellseg_ssl.api.export import write_coco
    from napari_cellseg_ssl.api.models import load_run, methods
    from napari_cellseg_ssl.api.pretraining import compare_pretraining
    from napari_cellseg_ssl.api.score import score
    from napari_cellseg_ssl.api.segment import predict, segment, segment_scored, steps
    from napari_cellseg_ssl.api.similar_regions import alike
    from napari_cellseg_ssl.api.starters import fits, starters
    from napari_cellseg_ssl.api.synthesis import interpolate, synthesise
    from napari_cellseg_ssl.api.train import train
    from napari_cellseg_ssl.core.io.coco_reading import read_coco
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

__all__ = [
    "ModelBundle",
    "alike",
    "compare_pretraining",
    "core",
    "fits",
    "interpolate",
    "load_run",
    "methods",
    "predict",
    "read_coco",
    "score",
    "segment",
    "segment_scored",
    "starters",
    "steps",
    "synthesise",
    "tasks",
    "train",
    "write_coco",
]

_HOMES = {
    "train": "napari_cellseg_ssl.api.train",
    **dict.fromkeys(("predict", "segment", "segment_scored", "steps"), "napari_cellseg_ssl.api.segment"),
    **dict.fromkeys(("load_run", "methods"), "napari_cellseg_ssl.api.models"),
    **dict.fromkeys(("synthesise", "interpolate"), "napari_cellseg_ssl.api.synthesis"),
    "alike": "napari_cellseg_ssl.api.similar_regions",
    **dict.fromkeys(("starters", "fits"), "napari_cellseg_ssl.api.starters"),
    "score": "napari_cellseg_ssl.api.score",
    "compare_pretraining": "napari_cellseg_ssl.api.pretraining",
    "read_coco": "napari_cellseg_ssl.core.io.coco_reading",
    "write_coco": "napari_cellseg_ssl.api.export",
    "ModelBundle": "napari_cellseg_ssl.core.model.bundle",
}


def __getattr__(name: str) -> Any:
    if name in ("tasks", "core"):
        return import_module(f"napari_cellseg_ssl.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
