"""Sentences for the user: what the painting lacks, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.errors import WrongOption, WrongRun
from napari_cellseg_ssl.core.methods.actis.options import ActisSegmentOptions
from napari_cellseg_ssl.core.segmentation.boundaries import neighbour_pairs
from napari_cellseg_ssl.core.segmentation.clean_up import ids_at_edge
from napari_cellseg_ssl.core.training.frames import Frame
from napari_cellseg_ssl.core.training.held_out import FEWEST_CELLS, Judged, Score, to_judge_by
from napari_cellseg_ssl.core.training.warm_start import AS_IT_WAS, NOT_BETTER, START

MOST_UNEQUAL = 3.0
NAMES = {
    START: AS_IT_WAS,
    "baseline": "the supervised baseline",
    "student": "the refined student",
    "teacher": "the refined teacher",
}


def before(
    frames: Sequence[Frame], judged: Sequence[Judged], options: ActisSegmentOptions, diameter: float
) -> tuple[str, ...]:
    """Say what is annotated and what would help."""
    painted = [frame for frame in to_judge_by(frames) if frame.has_labels]
    n_cells = sum(len(frame.cell_ids) for frame in painted)
    texts = []
    n_found = sum(len(frame.unpainted.cell_ids) for frame in frames if frame.pseudo is not None)
    if n_found:
        texts.append(f"{n_found} cells that nobody painted are learned from where other methods found them.")
    if judged:
        n_held = sum(one.n_cells for one in judged)
        texts.append(f"{n_cells} annotated cells; {n_held} of them are held out for validation.")
    else:
        texts.append(
            f"Only {n_cells} annotated cell(s): nothing is held out for validation and the thresholds keep their "
            f"defaults. From {FEWEST_CELLS} cells on they are searched."
        )
    if not any((frame.known & (frame.cells == 0)).any() for frame in painted):
        texts.append("No background is annotated, so cells may come out too large. Paint some with id 1.")
    elif not any(_has_far_background(frame, diameter) for frame in painted):
        texts.append(
            "Background is painted beside cells only. Paint strokes through what else there is, such as haze, "
            "fibres or debris, or it may be taken for cells."
        )
    meetings = [_meetings(frame) for frame in painted]
    if not any(contact for contact, _ in meetings):
        texts.append("No touching cells are annotated; paint a touching pair so that such cells come apart.")
    if options.widest_neck == 0:
        why = "Single painted cells have necks" if any(map(_has_whole_cell, painted)) else "No whole cell is painted"
        texts.append(f"{why}, so cells come apart only where the network sees a boundary.")
    if not any(edge for _, edge in meetings):
        texts.append("No edge of a cell is annotated; a thin ring of background around a cell shows where it ends.")
    sizes = np.concatenate([_sizes(frame) for frame in painted])
    if len(sizes) > 1 and np.percentile(sizes, 90) > MOST_UNEQUAL * np.percentile(sizes, 10):
        texts.append("The annotated cells differ in width by more than a factor of 3, after rescaling each image.")
    return tuple(texts)


def after(
    chosen: str,
    scores: Mapping[str, Score],
    options: ActisSegmentOptions,
    tuned: Score | None,
    *,
    is_sure: bool,
) -> tuple[str, ...]:
    """Say which network is returned and why, and with which thresholds.

    Parameters
    ----------
    is_sure : bool
        Whether the teacher of a refinement is sure of nearly every pixel.
    """
    texts = []
    others = ", ".join(f"{name} {one.f1:.2f}" for name, one in scores.items() if name != chosen)
    if scores:
        found = f"F1 {scores[chosen].f1:.2f} on held-out cells" + (f" ({others})" if others else "")
        texts.append(f"Returned: {NAMES[chosen]}, {found}.")
    else:
        texts.append(f"Returned: {NAMES[chosen]}.")
    if chosen == START:
        texts.append(NOT_BETTER)
    if chosen == "baseline" and "student" in scores:
        texts.append("Learning from unpainted pixels did not find clearly more cells, so what it changed is not used.")
    thresholds = f"seeds {options.seed_threshold:g}, foreground {options.foreground_threshold:g}"
    if tuned:
        texts.append(f"Thresholds searched on {tuned.n_cells} annotated cells: {thresholds} (F1 {tuned.f1:.2f}).")
    else:
        texts.append(f"Thresholds are {'its own' if chosen == START else 'defaults'}: {thresholds}.")
    if is_sure:
        texts.append("The teacher is sure of nearly everything, so its confidence says little.")
    return tuple(texts)


def enough(steps: int) -> str:
    """Say why a training ended before its time was up."""
    return f"Ended after {steps} steps: repeating the painted cells for longer would not help. Paint more to go on."


def _has_whole_cell(frame: Frame) -> bool:
    """Whether a cell is painted that the image's edge does not cut."""
    return bool(len(np.setdiff1d(frame.painted.cell_ids, ids_at_edge(frame.cells))))


def _meetings(frame: Frame) -> tuple[bool, bool]:
    """Whether somewhere two known cells touch, and whether a known cell ends at known background."""
    contact = edge = False
    for first, second in neighbour_pairs(2):
        a, b = frame.cells[first], frame.cells[second]
        differ = (a != b) & frame.known[first] & frame.known[second]
        contact |= bool((differ & (a > 0) & (b > 0)).any())
        edge |= bool((differ & ((a == 0) | (b == 0))).any())
    return contact, edge


def _has_far_background(frame: Frame, diameter: float) -> bool:
    """Whether background is known farther than a diameter from every known cell."""
    far: Array = distance_transform_edt(frame.cells == 0) > diameter if len(frame.cell_ids) else frame.known
    return bool((far & frame.known).any())


def _sizes(frame: Frame) -> Array:
    """Widths of the known cells, px, those left out that the image's edge may cut."""
    areas = np.bincount(frame.cells.ravel())
    for edge in (frame.cells[0], frame.cells[-1], frame.cells[:, 0], frame.cells[:, -1]):
        areas[edge] = 0
    areas[0] = 0
    widths: Array = 2 * np.sqrt(areas[areas > 0] / np.pi)
    return widths


def small_network_takes_no_weights(weights: object) -> WrongOption:
    return WrongOption(
        f"The small network takes no encoder weights, but '{weights}' is given.",
        "Choose the encoder that the weights are of, for example encoder=resnet18, or set encoder_weights=none.",
    )


def detector_does_not_fit(model: object, encoder: str) -> WrongRun:
    return WrongRun(
        f"Model '{model}' is a detector, and this training's encoder, {encoder}, cannot be its backbone.",
        "Choose the encoder that the detector has, for example encoder=resnet18, or start from none.",
    )


def start_has_another_network(start: object, key: object, has: object, wanted: object) -> WrongRun:
    return WrongRun(
        f"Model '{start}' has {key} {has}, this training {wanted}.",
        "Start from a model of the same method and channels, or from none.",
    )


def refinement_begins() -> str:
    return "Baseline trained; now learning from unpainted pixels too."
