"""What `cli` says to a user: each sentence is a function of its values."""

from napari_cellseg_ssl.core.errors import CellSegError, WrongAnnotation, WrongImage, WrongOption, WrongRun


def unexpected_problem(file: object, kind: str, problem: object) -> CellSegError:
    return CellSegError(f"{file}: unexpected {kind}: {problem}.")


def starter_is_not_changed(model: object) -> WrongRun:
    return WrongRun(
        f"'{model}' comes with the package and is not changed, so nothing can be stored in it.",
        f"Train a run from it (--start-from {model}), or say options with segment --set.",
    )


def option_without_value(option: object) -> WrongOption:
    return WrongOption(f"'--set {option}' has no value.", "Write --set OPTION=VALUE.")


def stopping() -> str:
    return "\nStopping and saving; Ctrl-C again quits at once."


def not_all_scored(n_failed: int, n_images: int, rest: str, predictions: object, truth: object) -> WrongAnnotation:
    return WrongAnnotation(
        f"{n_failed} of {n_images} images could not be scored (see above), so {rest}: '{predictions}' "
        f"against '{truth}'."
    )


def predictions_missing(folder: object, n_missing: int, n_truths: int, example: str) -> WrongAnnotation:
    return WrongAnnotation(
        f"'{folder}' has no labels for {n_missing} of {n_truths} images, for example '{example}_labels.tif'.",
        "Segment them first, or leave them out of the truth.",
    )


def not_all_segmented(n_failed: int, n_images: int, rest: str) -> WrongImage:
    return WrongImage(f"{n_failed} of {n_images} images could not be segmented (see above){rest}.")


def same_output_name(other: object, file: object, stem: str) -> WrongImage:
    return WrongImage(
        f"'{other}' and '{file}' would both be written as '{stem}_labels.tif'.", "Segment them into different folders."
    )


def input_is_not_overwritten(source: object) -> WrongImage:
    return WrongImage(f"'{source}' is one of the images, so it stays.", "Choose another folder.")


def continue_with_resume() -> str:
    return "Continue with the same command and --resume."
