"""What `api` says to a user: each sentence is a function of its values."""

from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongRun


def labels_for_each_image(n_images: int, n_labels: int) -> WrongAnnotation:
    return WrongAnnotation(f"{n_images} images but {n_labels} labels.", "Give one per image, or None.")


def nothing_to_agree() -> WrongAnnotation:
    return WrongAnnotation("There are results to agree with, but none that could agree.", "Give pseudo-labels too.")


def one_truth_each(n_predictions: int, n_truths: int) -> WrongAnnotation:
    return WrongAnnotation(f"{n_predictions} predictions but {n_truths} truths.", "Give one of each per image.")


def no_scores(method_id: object) -> WrongRun:
    return WrongRun(f"Models of '{method_id}' give no scores.", "Use `segment`.")


def one_step_only(method_id: object) -> WrongRun:
    return WrongRun(f"Models of '{method_id}' make instances in one step.", "Look at the maps that `predict` returns.")
