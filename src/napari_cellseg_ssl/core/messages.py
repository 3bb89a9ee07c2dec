"""What `core` says to a user: each sentence is a function of its values."""

from napari_cellseg_ssl.core.errors import OutOfMemory, WrongAnnotation, WrongImage, WrongOption


def no_such_device(wanted: object, names: str) -> WrongOption:
    return WrongOption(f"There is no device '{wanted}'.", f"Choose one of: {names}.")


def device_not_available(wanted: object, why: str) -> WrongOption:
    return WrongOption(f"Device '{wanted}' is not available: {why}.", "Choose 'auto' or 'cpu'.")


def tile_too_large(tile: int) -> OutOfMemory:
    return OutOfMemory(
        f"Not even a tile of {tile} px fits into memory.", "Close other programs or choose the device 'cpu'."
    )


def maps_too_large(image: str, gigabytes: float) -> OutOfMemory:
    return OutOfMemory(
        f"The maps of '{image}' would take {gigabytes:.0f} GB.", "Segment it in blocks, or a part of it."
    )


def unannounced_network_map(name: str) -> WrongImage:
    return WrongImage(f"The network returned an unannounced map '{name}'.")


def smaller_tiles(tile: int) -> str:
    return f"Not enough memory for this tile; continuing with tiles of {tile} px."


def shapes_differ(truth: object, prediction: object) -> WrongAnnotation:
    return WrongAnnotation(
        f"The truth is {truth} and the prediction {prediction} pixels.",
        "Score labels of the same image, without cropping or rescaling one of them.",
    )


def negative_id(low: object) -> WrongAnnotation:
    return WrongAnnotation(f"The labels hold the id {low}.", "Use 0 for background and positive ids.")


def wrong_option_type(option: object, value: object, kind: str) -> WrongOption:
    return WrongOption(f"Option '{option}' cannot be '{value}'.", f"Give a value of type {kind}.")


def unknown_option(name: str, hint: str) -> WrongOption:
    return WrongOption(f"Unknown option '{name}'.", hint)


def not_a_choice(option: object, value: object, choices: str) -> WrongOption:
    return WrongOption(f"Option '{option}' cannot be '{value}'.", f"Choose one of: {choices}.")


def option_out_of_range(option: object, value: object, low: object, high: object) -> WrongOption:
    return WrongOption(f"Option '{option}' is {value}.", f"Use a value from {low} to {high}.")


def too_many_objects(n_objects: int) -> WrongOption:
    return WrongOption(f"The labels hold {n_objects} objects, more than polygons can be made of.", "Cut the image.")


def stardist_missing(problem: object) -> WrongOption:
    return WrongOption(
        f"The package 'stardist' cannot be loaded: {problem}.",
        "Install it with 'pip install stardist'; it needs Python 3.11 to 3.13.",
    )
