"""How large the objects of an image are: as given, or estimated."""

from dataclasses import replace

from napari_cellseg_ssl.core.errors import WrongOption
from napari_cellseg_ssl.core.images import ImageStack
from napari_cellseg_ssl.tasks.requests import Diameter

WINDOW = 2048
"""Larger frames are judged by a central window of this many px."""
SMALLEST = 1.0


def resolve_diameter(image: ImageStack, wanted: Diameter) -> float:
    """Return the diameter of an image's objects in source px.

    Raises
    ------
    WrongOption
        If the wanted diameter is no positive length.
    """
    if wanted == "auto":
        from napari_cellseg_ssl.core.diameter import estimate_diameter

        return float(estimate_diameter(_window(image)))
    if not SMALLEST <= wanted < float("inf"):
        raise WrongOption(
            f"The object diameter is {wanted:g} px.", "Give the diameter of a typical object, at least 1 px, or 'auto'."
        )
    return float(wanted)


def describe_diameters(diameters: list[float], wanted: Diameter) -> str:
    """Say in a sentence which diameters are used."""
    how = "estimated" if wanted == "auto" else "as given"
    low, high = min(diameters), max(diameters)
    size = f"{low:.1f} px" if high - low < 0.1 else f"{low:.1f} to {high:.1f} px"
    return f"Object diameter {size}, {how}."


def _window(image: ImageStack) -> ImageStack:
    middle = tuple(
        slice(max(0, (size - WINDOW) // 2), max(0, (size - WINDOW) // 2) + WINDOW) for size in image.spatial_shape
    )
    return replace(image, frames=image.frames[(slice(None), slice(None), *middle)])
