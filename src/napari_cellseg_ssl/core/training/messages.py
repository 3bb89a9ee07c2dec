"""What `core/training` says to a user: each sentence is a function of its values."""

from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongRun


def checkpoint_lacks(name: str) -> WrongRun:
    return WrongRun(f"The checkpoint lacks the {name}.", "Start the training again.")


def checkpoint_damaged(problem: object) -> WrongRun:
    return WrongRun(f"The checkpoint is damaged ({problem!r}).", "Start the training again.")


def training_state_differs(key: object, shape: object) -> WrongRun:
    return WrongRun(
        f"The state of the training does not fit the network: '{key}' has the shape {shape}.",
        "The checkpoint is damaged; train again.",
    )


def labels_and_results_differ(first: object, second: object) -> WrongAnnotation:
    return WrongAnnotation(
        f"Labels of the shapes {first} and {second} do not belong to the same image.",
        "Choose labels and results of the same image.",
    )


def weights_of_another_type(name: str, has: object, wanted: object) -> WrongRun:
    return WrongRun(
        f"The weights do not fit the network: '{name}' holds {has}, not {wanted}.",
        "The file is damaged; use another run.",
    )


def weights_do_not_fit(problem: object) -> WrongRun:
    return WrongRun(f"The weights do not fit the network: {problem}", "Use a run of the same settings.")


def start_has_other_settings(start: object, key: object, has: object, wanted: object) -> WrongRun:
    return WrongRun(
        f"Model '{start}' has {key} {has}, this training {wanted}.",
        "Choose the same preset and channels, or start from no model.",
    )


def too_little_time(seconds: float, steps: int) -> str:
    return f"The time budget of {seconds:g} s allowed only {steps} steps, too few to learn anything: give more time."
