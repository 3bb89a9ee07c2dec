"""Sentences for the user: what the painting lacks, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from napari_cellseg_ssl.core.methods.maunet import validation
from napari_cellseg_ssl.core.methods.maunet.options import ONE, MaunetSegmentOptions
from napari_cellseg_ssl.core.methods.maunet.segment import stages
from napari_cellseg_ssl.core.training.frames import Frame
from napari_cellseg_ssl.core.training.held_out import FEWEST_CELLS, Judged, Score
from napari_cellseg_ssl.core.training.warm_start import AS_IT_WAS, NOT_BETTER, START

STEADY = 20
"""Annotated cells from which on results hardly depend on which ones they are."""
MUCH_LOST = 0.1


def before(
    frames: Sequence[Frame], judged: Sequence[Judged], beginnings: Sequence[str], *, agree: bool
) -> tuple[str, ...]:
    """Say what is annotated, what would help, and what the encoders begin with.

    Parameters
    ----------
    agree : bool
        Whether two networks learn to agree on unpainted pixels.
    """
    painted = [frame for frame in frames if frame.has_labels]
    n_cells = sum(len(frame.cell_ids) for frame in painted)
    texts = []
    if judged:
        n_held = sum(one.n_cells for one in judged)
        texts.append(f"{n_cells} annotated cells; {n_held} of them are held out for validation.")
    else:
        texts.append(
            f"Only {n_cells} annotated cell(s): nothing is held out for validation and the thresholds keep their "
            f"defaults. From {FEWEST_CELLS} cells on they are searched."
        )
    if n_cells < STEADY:
        texts.append(f"Fewer than {STEADY} cells are annotated, so the result depends on which ones they are.")
    if not any((frame.known & (frame.cells == 0)).any() for frame in painted):
        texts.append("No background is annotated, so cells may come out too large. Paint some with id 1.")
    texts += beginnings
    if agree and all(frame.is_dense for frame in frames):
        texts.append("Everything is annotated, so there are no unpainted pixels for the networks to agree on.")
    return tuple(texts)


def after(
    chosen: str,
    scores: Mapping[str, Score],
    options: MaunetSegmentOptions,
    tuned: Score | None,
    maps: Sequence[validation.Maps],
) -> tuple[str, ...]:
    """Say what is returned, how good it is, with which thresholds, and what the maps lack."""
    texts = []
    if scores:
        found = f"F1 {scores[chosen].f1:.2f} on {scores[chosen].n_cells} held-out cells"
        others = ", ".join(f"{name} {one.f1:.2f}" for name, one in scores.items() if name != chosen)
        returned = AS_IT_WAS if chosen == START else "what was learned"
        texts.append(f"Returned: {returned}, {found} ({others})." if others else f"{found}.")
    if chosen == START:
        texts.append(NOT_BETTER)
    thresholds = f"interior {options.interior_threshold:g}, background {options.background_threshold:g}"
    if options.outline_threshold > 0:
        thresholds += f", outline {options.outline_threshold:g}"
    if tuned:
        texts.append(f"Thresholds searched on {tuned.n_cells} annotated cells: {thresholds} (F1 {tuned.f1:.2f}).")
    else:
        texts.append(f"Thresholds are {'its own' if chosen == START else 'defaults'}: {thresholds}.")
    return (*texts, *_about_maps(options, maps))


def _about_maps(options: MaunetSegmentOptions, maps: Sequence[validation.Maps]) -> list[str]:
    """Say where the four steps had to do without what they need."""
    if options.watershed == ONE:
        return []
    found = [stages(one.probabilities, one.distance, options) for one in maps]
    if not any(one.interior.any() for one in found):
        return [
            f"No interior is more probable than {options.interior_threshold:g}: train longer or lower the threshold."
        ]
    texts = []
    cored = [one for one in found if one.interior.any()]
    if all(one.core_threshold < options.core_threshold for one in cored):
        highest = max(float(one.smooth[one.interior].max()) for one in cored)
        texts.append(
            f"The distance field reaches {highest:.2f}, less than the {options.core_threshold:g} of a core, so cores "
            "are found relative to its highest value. Train longer."
        )
    lost = float(np.mean([one.lost for one in cored]))
    if lost > MUCH_LOST:
        texts.append(f"In {lost:.0%} of the foreground no cell was found; lower the interior threshold to see more.")
    return texts
