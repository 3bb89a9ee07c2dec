"""What `core/data` says to a user: each sentence is a function of its values."""

from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongImage, WrongRun


def labels_are_not_whole_numbers(dtype: object) -> WrongAnnotation:
    return WrongAnnotation(
        f"The labels hold values of type {dtype} that are not whole numbers.",
        "Choose a Labels layer or a label image: one whole number per cell.",
    )


def ids_out_of_range(lowest: object, highest: object) -> WrongAnnotation:
    return WrongAnnotation(f"The labels run from {lowest} to {highest}.", "Use ids from 0 to 2147483647.")


def axes_unknown(shape: object, ndim: int) -> WrongImage:
    return WrongImage(
        f"An image of shape {shape} has {ndim} axes, and their meaning is not given.",
        "Say the axes, for example TZCYX.",
    )


def image_is_constant(image: str, value: float) -> WrongImage:
    return WrongImage(
        f"Image '{image}' is constant: every pixel is {value:g}.", "Choose the layer that shows the cells."
    )


def wrong_axes(image: str, shape: object, axes: object) -> WrongImage:
    return WrongImage(
        f"Image '{image}' of shape {shape} cannot have the axes '{axes}'.",
        "Name each axis once, with Y and X among them, out of T, S, N, C, Z, Y, X.",
    )


def image_is_empty(image: str, shape: object) -> WrongImage:
    return WrongImage(f"Image '{image}' of shape {shape} is empty.", "Choose another image.")


def wrong_pixel_type(image: str, dtype: object) -> WrongImage:
    return WrongImage(f"Image '{image}' holds values of type {dtype}.", "Convert it to real numbers.")


def no_such_channel(image: str, n_channels: int, wrong: object, last: int) -> WrongImage:
    return WrongImage(
        f"Image '{image}' has {n_channels} channel(s); channel {wrong} does not exist.", f"Choose from 0 to {last}."
    )


def values_not_finite(image: str, share: float) -> WrongImage:
    return WrongImage(
        f"Image '{image}' contains NaN or infinite values ({share:.1f} % of where the first is).",
        "Replace them, for example with 0, and try again.",
    )


def unannounced_map(name: str) -> WrongRun:
    return WrongRun(f"Map '{name}' is not one that the method announces.")


def not_a_volume(image: str, axes: object) -> WrongImage:
    return WrongImage(f"Image '{image}' with the axes {axes} is no volume.", "Say which axis is Z, for example TZYX.")


def wrong_spacing(image: str, spacing: object, axes: object) -> WrongImage:
    return WrongImage(f"Image '{image}' cannot have the spacing {spacing}.", f"Give one size in µm for each of {axes}.")


def too_few_slices(image: str, slices: int, size: object, needed: int) -> WrongImage:
    return WrongImage(
        f"Image '{image}' has {slices} slices; a volume{size} needs {needed}.",
        "Segment its slices one by one (frames instead of a volume), or correct the spacing or the object size.",
    )


def first_is_background() -> str:
    return "Id 1 looks like painted background, so 0 is taken as unknown."


def cells_in_a_part() -> str:
    return "Cells cover only a part of the image, so 0 is taken as unknown, 1 as background."


def looks_complete() -> str:
    return "Cells cover the whole image and no background is painted, so 0 is taken as background."


def mask_or_background(name: str) -> WrongAnnotation:
    return WrongAnnotation(
        f"The labels of '{name}' and all others hold 0 and 1 only: a binary mask, or background without a cell.",
        "If it is a mask of all cells, say that it is complete (--labels-mode dense); touching cells are one then.",
    )


def mask_is_split(number: int, pieces: int) -> str:
    return (
        f"The labels are a binary mask (all objects have the number {number}): each of its {pieces} connected pieces "
        "is taken as a cell, touching cells as one."
    )
