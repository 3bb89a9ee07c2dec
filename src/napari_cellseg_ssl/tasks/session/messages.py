"""What `tasks/session` says to a user: each sentence is a function of its values."""

from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongRun


def session_not_copied(room: object, target: object, why: str) -> WrongRun:
    return WrongRun(
        f"The session in '{room}' cannot be copied to '{target}': {why}.", "Free some space, then restore it again."
    )


def session_not_writable(room: object, why: str) -> WrongRun:
    return WrongRun(f"'{room}' cannot be written: {why}.", "Free some space.")


def pixels_changed(file: object) -> WrongRun:
    return WrongRun(f"The pixels in '{file}' are not those that were saved.", "Use another version or session.")


def layers_not_saved(folder: object, why: str) -> WrongAnnotation:
    return WrongAnnotation(f"'{folder}' cannot be written: {why}.", "Free some space.")


def layer_damaged(file: object, problem: object) -> WrongRun:
    return WrongRun(f"'{file}' is damaged ({problem!r}).", "Use another version or session.")


def versions_agree(first: object, second: object, f1: float) -> str:
    return f"Versions {first} and {second} agree with F1 {f1:.2f}."


def no_version_without_model() -> WrongRun:
    return WrongRun("What is painted now cannot be kept without a model.", "Train first, or take only the model.")


def version_not_kept_model_stays(problem: object) -> WrongRun:
    return WrongRun(
        f"{problem} The model stays in this window; no version of it is kept.",
        "Free some space, then press 'Save run …'.",
    )


def version_weights_changed(number: int) -> WrongRun:
    return WrongRun(f"The weights of version {number} were changed or removed.", "Restore another one.")


def version_labels_changed(number: int) -> WrongRun:
    return WrongRun(f"The labels of version {number} were changed or removed.", "Restore another one.")


def version_not_kept(folder: object, why: str) -> WrongRun:
    return WrongRun(f"The version cannot be kept in '{folder}': {why}.", "Free some space.")
