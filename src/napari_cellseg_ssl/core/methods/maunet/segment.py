"""Instances from class probabilities and the distance field, in four steps or, to compare with, in one.

1. Interiors, freed of specks; their mean size says how much the distance field is smoothed.
2. Cores, where the smoothed field is high, are flooded over the interiors.
3. Interiors without a core get one where the field peaks.
4. Both kinds grow over the foreground; what is small beside the others is deleted.

Deviations from the paper's reference code, with reasons:

- Floods follow the smoothed field and leave no lines between cells. The reference floods a flat picture, so that the
  order of a queue decides, loses a line of pixels, and no cell touches the image's edge.
- The threshold of cores is absolute, the paper's 0.8. The reference takes 0.85 of the image's greatest value, so that
  one bright outlier hides all other cells; that is the way out here where nothing reaches the threshold.
- Cells end where the distance field drops: it is 0 outside and 0.6 to 0.7 at a cell's rim. The published foreground
  holds all of the border, a part of which lies outside of cells, and all that the network takes for border in doubt.
- Small objects are deleted one by one; the reference deletes small parts of their union.
- Nothing found gives an empty result instead of a division by zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.methods.base import SegmentationSteps
from napari_cellseg_ssl.core.methods.maunet.options import ONE, MaunetSegmentOptions
from napari_cellseg_ssl.core.segmentation.boundaries import BACKGROUND, INTERIOR
from napari_cellseg_ssl.core.segmentation.clean_up import keep_largest_pieces, relabel_sequential, remove_small
from napari_cellseg_ssl.core.segmentation.necks import join_across_wide_necks
from napari_cellseg_ssl.core.segmentation.watershed import grow_seeds

RELATIVE_CORE = 0.85
"""Of the greatest value, where nothing reaches the threshold of cores."""
PEAKS_PER_KERNEL = 4
"""A peak is the highest point within a kernel's width divided by this."""
DEFAULTS = MaunetSegmentOptions()
SEEDS = {"seeds of step 2": "cores", "seeds of step 3": "peaks"}
PARTIAL = {"cells after step 2": "cored", "cells of step 3": "peaked", "cells after step 4": "grown"}
"""Titles and stages of a step-by-step view."""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """What each step found, (Y, X) each: a step-by-step view of a segmentation.

    Parameters
    ----------
    interior, foreground : bool
        Step 1; all the later steps happen within them.
    smooth : float32
        The smoothed distance field.
    cores, cored : int32
        Step 2: seeds, and what they grew to.
    peaks, peaked : int32
        Step 3: seeds in what is left, and what they grew to. None shares a pixel with `cored`.
    grown, labels : int32
        Step 4: both kinds grown over the foreground, then cut to outline and without small objects.
    core_threshold : float
        The one that was used.
    """

    interior: Array
    foreground: Array
    smooth: Array
    cores: Array
    cored: Array
    peaks: Array
    peaked: Array
    grown: Array
    labels: Array
    core_threshold: float

    @property
    def lost(self) -> float:
        """Share of the foreground in which no cell was found."""
        return 1.0 - float((self.grown > 0).sum()) / max(1, int(self.foreground.sum()))


def step_by_step(maps: PredictionMaps, options: MaunetSegmentOptions = DEFAULTS) -> SegmentationSteps:
    """Make instances in four steps and keep what each of them found, on the image's own grid."""
    pairs = zip(maps.arrays["probability"], maps.arrays["distance"], strict=True)
    frames = [stages(probabilities, distance[0], options) for probabilities, distance in pairs]

    def shown(name: str) -> Array:
        return maps.labels_to_source(np.stack([getattr(one, name) for one in frames]))

    foreground = sum(int(one.foreground.sum()) for one in frames)
    lost = 1 - sum(int((one.grown > 0).sum()) for one in frames) / foreground if foreground else 0.0
    remark = f"In {lost:.0%} of the foreground there is no seed, so no cell."
    if options.watershed == ONE:
        remark = "These are the four steps; the cells shown come from one."
    return SegmentationSteps(
        seeds={title: shown(name) for title, name in SEEDS.items()},
        partial={title: shown(name) for title, name in PARTIAL.items()},
        remark=remark,
    )


def instances(probabilities: Array, distance: Array, options: MaunetSegmentOptions = DEFAULTS) -> Array:
    """Make instances, (Y, X) int32; see `stages`."""
    if options.watershed == ONE:
        return one_watershed(probabilities, distance, options)
    return stages(probabilities, distance, options).labels


def one_watershed(probabilities: Array, distance: Array, options: MaunetSegmentOptions = DEFAULTS) -> Array:
    """Grow each interior over the foreground, most certain pixels first; distances are for outlines only."""
    interior = _interior(probabilities, options)
    foreground = probabilities[BACKGROUND] < options.background_threshold
    seeds = np.where(foreground, ndimage.label(interior)[0], 0)
    grown = grow_seeds(relabel_sequential(seeds), foreground, probabilities[INTERIOR])
    return _finished(grown, interior, distance, options)


def stages(probabilities: Array, distance: Array, options: MaunetSegmentOptions = DEFAULTS) -> Stages:
    """Make instances in four steps and keep what each of them found.

    Parameters
    ----------
    probabilities : (3, Y, X) float
        Background, interior, boundary.
    distance : (Y, X) float
        Closeness to the core of a cell, 1 in it.
    options : MaunetSegmentOptions

    References
    ----------
    MAUNet, section 2.3 (post-processing).
    """
    interior = _interior(probabilities, options)
    foreground = probabilities[BACKGROUND] < options.background_threshold
    kernel = _kernel_size(interior)
    smooth = _smoothed(distance, kernel)
    threshold = _core_threshold(smooth, interior, options)

    cores = ndimage.label(interior & (smooth > threshold))[0]
    cored = grow_seeds(cores, interior, smooth)
    peaks = _peaks(smooth, interior & (cored == 0), kernel, options.peak_threshold)
    peaked = grow_seeds(peaks, interior & (cored == 0), smooth)
    seeds = np.where(peaked > 0, peaked + cored.max(initial=0), cored)
    grown = grow_seeds(relabel_sequential(np.where(foreground, seeds, 0)), foreground, smooth)
    if options.widest_contact < 1:
        grown = join_across_wide_necks(grown, smooth, widest=options.widest_contact)
    return Stages(
        interior=interior,
        foreground=foreground,
        smooth=smooth,
        cores=cores,
        cored=cored,
        peaks=peaks,
        peaked=peaked,
        grown=grown,
        labels=_finished(grown, interior, distance, options),
        core_threshold=threshold,
    )


def _core_threshold(smooth: Array, interior: Array, options: MaunetSegmentOptions) -> float:
    """Return the threshold that was asked for, or one that something reaches."""
    highest = float(smooth[interior].max(initial=0.0))
    return options.core_threshold if highest > options.core_threshold else RELATIVE_CORE * highest


def _interior(probabilities: Array, options: MaunetSegmentOptions) -> Array:
    """Where a cell's interior is probable enough, specks left out, (Y, X) bool."""
    parts = ndimage.label(probabilities[INTERIOR] > options.interior_threshold)[0]
    kept: Array = remove_small(parts, options.smallest_interior) > 0
    return kept


def _kernel_size(interior: Array) -> int:
    """Width of the smoothing: the side of a square as large as the mean interior, made odd by adding 1 or 2; px."""
    n_parts = ndimage.label(interior)[1]
    side = int(np.sqrt(interior.sum() / max(1, n_parts)))
    return side + (1 if side % 2 == 0 else 2)


def _smoothed(distance: Array, kernel: int) -> Array:
    """Blur with a Gaussian cut off at a kernel's width, its sigma in proportion to it as is usual in OpenCV."""
    sigma = 0.3 * ((kernel - 1) / 2 - 1) + 0.8
    smooth: Array = ndimage.gaussian_filter(distance.astype(np.float32), sigma, mode="mirror", radius=(kernel - 1) // 2)
    return smooth


def _peaks(smooth: Array, where: Array, kernel: int, threshold: float) -> Array:
    """Number the places that are the highest around, and not low beside the highest of all; flat tops are one."""
    heights = np.where(where, smooth, 0)
    box = 2 * max(1, kernel // PEAKS_PER_KERNEL) + 1
    tops = where & (heights == ndimage.maximum_filter(heights, box)) & (heights > threshold * heights.max(initial=0))
    peaks: Array = ndimage.label(tops)[0]
    return peaks


def _finished(labels: Array, interior: Array, distance: Array, options: MaunetSegmentOptions) -> Array:
    """Cut outlines and delete small objects."""
    if options.outline_threshold > 0:
        labels = keep_largest_pieces(np.where(interior | (distance > options.outline_threshold), labels, 0))
    sizes = np.bincount(labels.ravel(), minlength=1)[1:]
    sizes = sizes[sizes > 0]
    return relabel_sequential(remove_small(labels, options.min_size * sizes.mean() if len(sizes) else 0))
