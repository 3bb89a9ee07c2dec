"""What `core/methods` says to a user: each sentence is a function of its values."""

from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongImage, WrongOption, WrongRun


def unknown_network(network: object) -> WrongRun:
    return WrongRun(f"This version does not know the network '{network}'.", "Update napari-cellseg-ssl.")


def no_cell_painted() -> WrongAnnotation:
    return WrongAnnotation("No cell is painted.", "Paint some whole cells, each with its own id from 2.")


def run_lacks(missing: object) -> WrongRun:
    return WrongRun(f"The run lacks {missing}.", "Train again.")


def model_of_another_method(found: object, wanted: object) -> WrongRun:
    return WrongRun(f"The model is a '{found}'; this method needs a '{wanted}'.", "Open it with its own method.")


def architecture_incomplete(problem: object) -> WrongRun:
    return WrongRun(f"The model's architecture is incomplete ({problem!r}).", "Train again.")


def no_such_preset(method: object, preset: str, names: str) -> WrongOption:
    return WrongOption(f"Method '{method}' has no preset '{preset}'.", f"Choose: {names}.")


def no_image() -> WrongImage:
    return WrongImage("There is no image to train on.", "Open or choose an image first.")


def labels_required(title: str) -> WrongAnnotation:
    return WrongAnnotation(f"{title} learns from painted cells, and none are painted.", "Paint some first.")


def only_background_painted() -> WrongAnnotation:
    return WrongAnnotation(
        "Only background is painted, no cell.", "Paint at least 2 whole cells, each with its own id from 2."
    )


def background_required(n_cells: int) -> WrongAnnotation:
    return WrongAnnotation(
        f"{n_cells} cells are painted but no background.",
        "Paint some background with id 1, for example a ring around a cell.",
    )


def channels_differ(image: str, n_channels: int, expected: object) -> WrongImage:
    return WrongImage(
        f"Image '{image}' has {n_channels} channel(s), the others have {expected}.",
        "Train on images with the same channels.",
    )


def dimensions_not_supported(method: object, ndim: int, image: str) -> WrongImage:
    return WrongImage(
        f"{method} does not work on {ndim}D images such as '{image}'.",
        "Segment its slices one by one: frames instead of a volume.",
    )


def dimensions_differ(image: str, ndim: int, first: object, first_ndim: int) -> WrongImage:
    return WrongImage(
        f"'{image}' is {ndim}D, '{first}' is {first_ndim}D.", "Train on volumes only, or take their slices as frames."
    )


def labels_do_not_fit(image: str, shape: object, expected: object) -> WrongAnnotation:
    return WrongAnnotation(
        f"The labels of '{image}' have the shape {shape}, the image {expected}.",
        "Choose the labels that belong to this image.",
    )


def checkpoint_incomplete() -> WrongRun:
    return WrongRun("The checkpoint is incomplete.", "Start the training again.")


def no_such_method(wanted: object, hint: str, names: str) -> WrongOption:
    return WrongOption(f"There is no method '{wanted}'.", f"{hint}Choose one of: {names}.")
