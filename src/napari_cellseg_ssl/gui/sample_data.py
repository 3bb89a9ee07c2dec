"""The packaged real images (CC0), for File > Open Sample: nothing is downloaded."""

from importlib.resources import as_file, files
from typing import Any

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.io.tiff import read_tiff
from napari_cellseg_ssl.gui.layers.styles import painting_colours
from napari_cellseg_ssl.gui.layers.tags import KEY

COLOUR = "colour"
"""Where images with another number of channels are: those of a folder are learned from together."""
LayerData = tuple[Array, dict[str, Any], str]


def nuclei_1() -> list[LayerData]:
    """Fluorescent nuclei that are easy to tell apart, and their true labels, hidden."""
    return _image_and_truth("nuclei_1")


def nuclei_2() -> list[LayerData]:
    """Dense, elongated nuclei, and their true labels, hidden."""
    return _image_and_truth("nuclei_2")


def nuclei_3() -> list[LayerData]:
    """Touching nuclei, some of them dim, and their true labels, hidden."""
    return _image_and_truth("nuclei_3")


def nuclei_painted() -> list[LayerData]:
    """Touching nuclei with a few painted cells and strokes of background, as after half a minute of painting."""
    return [*_image_and_truth("nuclei_3"), _painting("nuclei_3")]


def tissue_painted() -> list[LayerData]:
    """Stained tissue in colour with a few painted nuclei and strokes of background, and the true labels, hidden."""
    return [*_image_and_truth("tissue", COLOUR), _painting("tissue", COLOUR)]


def _painting(name: str, home: str = "") -> LayerData:
    tag = {"kind": "annotation", "method": "", "image": name, "bundle": "", "settings": {}, "version": ""}
    painted = _read(home, "painted", name).astype("int32")
    look = {"name": f"{name} · annotation", "metadata": {KEY: tag}, "colormap": painting_colours()}
    return painted, look, "labels"


def _image_and_truth(name: str, home: str = "") -> list[LayerData]:
    truth = _read(home, "labels", name).astype("int32")
    return [
        (_read(home, "images", name), {"name": name}, "image"),
        (truth, {"name": f"{name} · truth", "visible": False}, "labels"),
    ]


def _read(home: str, folder: str, name: str) -> Array:
    with as_file(files("napari_cellseg_ssl") / "samples" / home / folder / f"{name}.tif") as file:
        return read_tiff(file).array
