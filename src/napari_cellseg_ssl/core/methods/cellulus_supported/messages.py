"""What `core/methods/cellulus_supported` says to a user: each sentence is a function of its values."""

from napari_cellseg_ssl.core.errors import WrongRun


def cellulus_without_model() -> WrongRun:
    return WrongRun("Cellulus ended without a model.", "Please report this.")


def cellulus_channels(expected: object, n_channels: int) -> WrongRun:
    return WrongRun(
        f"The Cellulus model expects {expected} channel(s), not {n_channels}.",
        "Start from a run on the same kind of images.",
    )


def cellulus_damaged(problem: object) -> WrongRun:
    return WrongRun(f"The Cellulus part of the run is damaged ({problem!r}).", "Train again.")


def thresholds_searched(n_cells: int, threshold: float, overlap: float, f1: float) -> str:
    return (
        f"Thresholds searched on {n_cells} known cells: probability {threshold:g}, overlap {overlap:g} (F1 {f1:.2f})."
    )


def stopped_too_early() -> str:
    return "Stopped before the network began to learn: resume, or train again."


def held_out_score(f1: float, n_cells: int) -> str:
    return f"F1 {f1:.2f} on {n_cells} painted cells that were held out."


def scores_without_labels(found: object) -> str:
    return f"Without labels, on the painted cells: {found}."


def cellulus_first() -> str:
    return "Cellulus learns first, from the images alone."


def enough_painted(n_painted: int) -> str:
    return f"{n_painted} cells are painted: nothing else needs to be learned from."
