"""Watersheds that split a foreground into objects: by shape alone, or from the seeds of a probability map."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed as flood

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.scaling import resize_labels
from napari_cellseg_ssl.core.segmentation.boundaries import neighbour_pairs
from napari_cellseg_ssl.core.segmentation.clean_up import relabel_sequential
from napari_cellseg_ssl.core.segmentation.distance import distance_to_background
from napari_cellseg_ssl.core.segmentation.necks import join_across_wide_necks

ENOUGH_PIXELS = 16.0
"""Diameter, in px, from which every other pixel is enough to find an object's centre and its necks."""


def label_components(foreground: Array) -> Array:
    """Number the connected components, 1..n in order of first pixel; diagonal neighbours belong together.

    Parameters
    ----------
    foreground : (*S) bool

    Returns
    -------
    (*S) int32
    """
    labels: Array = ndimage.label(foreground, np.ones((3,) * foreground.ndim))[0]
    return labels


def distance_watershed(
    foreground: Array,
    *,
    diameter: float,
    smoothing: float = 0.1,
    seed_distance: float = 0.35,
    widest_neck: float = 0.95,
    spacing: Sequence[float] | None = None,
) -> Array:
    """Split touching objects at the necks between them.

    Seeds are the maxima of the smoothed distance to the background; components with one seed or none stay whole,
    which also saves flooding them. Where objects are large, the smoothed distance is needed on every other pixel only.

    Parameters
    ----------
    foreground : (*S) bool
    diameter : float
        Typical object's, in units of `spacing`: px when that is absent.
    smoothing : float, diameters
        Sigma of the Gaussian on the distance map. Larger: fewer, rounder pieces.
    seed_distance : float, diameters
        Half the side of the box in which a seed must be the highest. Larger: fewer pieces.
    widest_neck : float
        A cut may be this wide at most, as a share of the narrower piece's width. 1 keeps all cuts.
    spacing : sequence of float, optional
        Size of a pixel along each axis.

    Returns
    -------
    (*S) int32
        1..n in no particular order, 0 = background.
    """
    spacing = tuple(spacing or (1.0,) * foreground.ndim)
    components = label_components(foreground)
    if not components.any():
        return components
    step = [2 if diameter / s >= ENOUGH_PIXELS else 1 for s in spacing]
    grid = tuple(slice(None, None, n) for n in step)
    unit = [s * n for s, n in zip(spacing, step, strict=True)]
    depth = distance_to_background(foreground, spacing=spacing, step=step)
    depth = ndimage.gaussian_filter(depth, [smoothing * diameter / u for u in unit], truncate=3.0)
    box = [2 * max(1, round(seed_distance * diameter / u)) + 1 for u in unit]
    peaks = foreground[grid] & (depth == ndimage.maximum_filter(depth, box))
    seeds = ndimage.label(peaks, np.ones((3,) * foreground.ndim))[0]
    divided = _divided(components[grid], seeds, int(components.max()))
    inside = divided[components]
    if not inside.any():
        return components
    # Diagonal contacts join components, so the floods have to pass them too.
    pieces = flood(-depth, np.where(inside[grid], seeds, 0), connectivity=foreground.ndim, mask=inside[grid])
    if widest_neck < 1:
        pieces = join_across_wide_necks(pieces, depth, widest=widest_neck)
    if max(step) > 1:
        pieces = _refine(pieces, inside)
    return np.where(inside, pieces + int(components.max()), components).astype(np.int32)


def _divided(components: Array, seeds: Array, n_components: int) -> Array:
    """Say for each component, the background first, whether it holds several seeds; (n_components + 1) bool."""
    component_of_seed = np.zeros(int(seeds.max()) + 1, dtype=np.int64)
    component_of_seed[seeds.ravel()] = components.ravel()
    several: Array = np.bincount(component_of_seed[1:], minlength=n_components + 1) > 1
    several[0] = False
    return several


def _refine(pieces: Array, inside: Array) -> Array:
    """Bring pieces to the grid of `inside`, and grow them, ring by ring, over those of its pixels that they miss."""
    fine = np.pad(np.where(inside, resize_labels(pieces, inside.shape), 0), 1)
    flat = fine.ravel()
    missed = np.flatnonzero(np.pad(inside, 1) & (fine == 0))
    strides = np.array(fine.strides) // fine.itemsize
    offsets = [int(np.dot(offset, strides)) for offset in product((-1, 0, 1), repeat=inside.ndim)]
    while len(missed):
        grown = np.max([flat[missed + offset] for offset in offsets], axis=0)
        if not grown.any():
            break
        flat[missed] = grown
        missed = missed[grown == 0]
    return fine[(slice(1, -1),) * inside.ndim]


def seeded_watershed(
    interior: Array,
    foreground: Array,
    *,
    seed_threshold: float,
    foreground_threshold: float,
    diameter: float | None = None,
    widest_neck: float = 0.95,
) -> Array:
    """Grow the cores of a probability map over the foreground.

    Parameters
    ----------
    interior : (*S) float
        Probability of being inside an object, away from its neighbours.
    foreground : (*S) float
        Probability of belonging to any object.
    seed_threshold : float
        Connected components of `interior` above it (through faces) are the seeds.
    foreground_threshold : float
        Objects grow where `foreground` is above it, and nowhere else, so each one stays in one piece.
    diameter, widest_neck : float, optional
        Of a typical object, px: seeds are also cut at their necks, see `distance_watershed`. What a network that has
        seen few contacts joins is told apart by shape.

    Returns
    -------
    (*S) int32
        1..n in order of the seeds' first pixels, 0 = background. Foreground that no seed reaches is background.

    References
    ----------
    ACTIS, section 3.3 (post-processing), on probabilities instead of raw network outputs.
    """
    mask = foreground > foreground_threshold
    cores = mask & (interior > seed_threshold)
    if diameter and widest_neck > 0:
        seeds = relabel_sequential(distance_watershed(cores, diameter=diameter, widest_neck=widest_neck))
    else:
        seeds = ndimage.label(cores)[0]
    return grow_seeds(seeds, mask, interior)


def grow_seeds(seeds: Array, mask: Array, heights: Array) -> Array:
    """Grow seeds over a mask, from high to low; where a part of the mask has one seed only, it takes all of it.

    Parameters
    ----------
    seeds : (*S) int32
        1..n within the mask, 0 elsewhere.
    mask : (*S) bool
        Its parts are those that are connected through faces; parts without a seed stay empty.
    heights : (*S) float

    Returns
    -------
    (*S) int32
    """
    n_seeds = int(seeds.max(initial=0))
    if n_seeds == 0:
        return np.zeros(mask.shape, dtype=np.int32)
    components, n_components = ndimage.label(mask)
    component_of_seed = np.zeros(n_seeds + 1, dtype=np.int64)
    component_of_seed[seeds.ravel()] = components.ravel()
    n_inside = np.bincount(component_of_seed[1:], minlength=n_components + 1)
    only_seed = np.zeros(n_components + 1, dtype=np.int32)
    only_seed[component_of_seed[1:]] = np.arange(1, n_seeds + 1)
    only_seed[n_inside > 1] = 0
    grown: Array = only_seed[components]
    contested = (n_inside > 1)[components]
    if contested.any():
        # Seeds are large; only their rims take part in the flood.
        within = contested & within_equals(seeds)
        rims = flood(-heights, np.where(contested & ~within, seeds, 0), mask=contested & ~within)
        grown = np.where(contested, np.where(within, seeds, rims), grown)
    return grown.astype(np.int32, copy=False)


def within_equals(labels: Array) -> Array:
    """Mark pixels of an object whose neighbours through faces all belong to it too."""
    within = labels > 0
    for first, second in neighbour_pairs(labels.ndim):
        differ = labels[first] != labels[second]
        within[first] &= ~differ
        within[second] &= ~differ
    return within
