"""From clusters with a halo to outlines, without labels.

The paper shrinks the foreground by 0 to 6 px, the number chosen on the test data, or fits each cluster to its signal by
Otsu's threshold. Both exist here. Neither suits bright nuclei, dim textured ones and phase contrast alike, so the
default learns the outline from the image itself: rough teachers, and a student that sees the pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.cellulus.halo import expected_size, width_by_size
from napari_cellseg_ssl.core.methods.cellulus.logistic import fit_logistic
from napari_cellseg_ssl.core.segmentation.otsu import otsu_per_object

CONTRAST = 0.05
SAMPLE = 6000
FEWEST = 50
CORE, RIM = 0.7, 3.0
FLAT = 0.02
EVEN, VAGUE = 0.75, 0.5
"""Overlap of two thresholds above which objects are even, and below which there is hardly a signal."""
SPARSE, DIM = 0.8, 0.52
"""Agreement with the depth where objects lie apart; level of a quarter of the signal pixels where parts are dim."""
HALO = 6.0
"""Working px, as in the reference: the network's halo, less its rim."""
ENOUGH = 8
"""One pixel in so many tells how bright the background is."""


@dataclass(frozen=True)
class Appearance:
    """What a pixel and its surroundings look like; each (*S) float32.

    `smooth` and `wide` are smoothed by 1 and 2 working px, `spread` is the standard deviation within about 2 working
    px, `slope` the length of the gradient.
    """

    smooth: Array
    wide: Array
    spread: Array
    slope: Array


def appearance(intensity: Array, spacing: float = 1.0) -> Appearance:
    """Describe every pixel of an intensity map (*S); `spacing` is the size of a pixel, working px."""
    from scipy.ndimage import gaussian_filter

    near, far = 1 / spacing, 2 / spacing
    smooth = gaussian_filter(intensity, near, truncate=3)
    wide = gaussian_filter(intensity, far, truncate=3)
    spread = np.sqrt(np.maximum(gaussian_filter(intensity * intensity, far, truncate=3) - wide * wide, 0))
    long = [axis for axis, size in enumerate(intensity.shape) if size > 1]
    slope = np.sqrt(sum((np.gradient(smooth, axis=axis) ** 2 for axis in long), np.zeros_like(smooth)))
    return Appearance(smooth, wide, spread, slope)


def learned_score(labels: Array, depth: Array, looks: Appearance, *, diameter: float) -> Array:
    """Learn from this image which pixels of the clusters are object and which are halo.

    Otsu's threshold in each cluster is the teacher, of the intensity or of its square root. Where both say nearly the
    same, objects are even and the former is right; so it is where objects are dense, which shows in a depth that says
    something else. Otherwise the latter is. The student learns from the pixels on which the depth agrees: what is
    farther inside than the halo is wide is object. Where many pixels even above the lower threshold are dim, more of
    the objects must lie below it, and where the two have little in common, there is no signal; then what lies deep
    inside is object, too, and the student also sees the depth. Right on average, teachers are often wrong about a
    pixel. A logistic regression on what pixels look like learns the average and corrects the pixels.

    Parameters
    ----------
    labels : (*S) int32
        Clusters, 1..n, with their halo; at least one.
    depth : (*S) float32, working px
        Distance to the background.
    looks : Appearance
    diameter : float, px
        Of a typical object.

    Returns
    -------
    (*S) float32
        Log-odds of being object; minus infinity outside the clusters.
    """
    inside = np.flatnonzero(labels)
    ids, deep, smooth, wide, spread, slope = (
        array.ravel()[inside] for array in (labels, depth, looks.smooth, looks.wide, looks.spread, looks.slope)
    )
    size = expected_size(diameter, labels.ndim)
    level, rises = _relative_level(ids, deep, smooth, background_level(looks.smooth, labels == 0))
    values = smooth if rises else -smooth
    positive = np.maximum(level, 0)
    tight, loose = signal_pixels(ids, values, positive), signal_pixels(ids, values, np.sqrt(positive))
    width = width_by_size(ids, deep, size)
    features: tuple[Array, ...] = (level, smooth, wide, spread, slope)
    share = int(np.count_nonzero(tight & loose)) / max(1, int(np.count_nonzero(tight | loose)))
    is_dense = np.mean(loose == (deep > width)) < SPARSE
    truth = tight if share > EVEN or is_dense else loose
    trusted = np.flatnonzero(truth == (deep > width))
    if share < VAGUE or (truth is loose and np.quantile(level[loose], 0.25) < DIM):
        truth = loose | (deep > (HALO + max(HALO, width)) / 2)
        features, trusted = (*features, deep), np.arange(len(ids))
    score = np.full(labels.shape, -np.inf, np.float32)
    score.ravel()[inside] = _student(features, truth, trusted)
    return score


def signal_pixels(ids: Array, values: Array, level: Array | None = None) -> Array:
    """Pixels above Otsu's threshold of their cluster; none in clusters without contrast.

    Parameters
    ----------
    ids : (pixels,) int
        Cluster of each foreground pixel, 1..n.
    values : (pixels,) float32
        Smoothed intensity, its sign such that objects are bright.
    level : (pixels,) float32, optional
        What the threshold is found for, if not for the values.

    Returns
    -------
    (pixels,) bool
    """
    n = int(ids.max())
    split = values if level is None else level
    is_signal = split > otsu_per_object(split, ids, n)[ids]
    above, below = (_means(ids[part], values[part], n + 1, 0.0, fewest=1) for part in (is_signal, ~is_signal))
    found: Array = is_signal & (above - below >= CONTRAST)[ids]
    return found


def _student(features: Sequence[Array], truth: Array, trusted: Array) -> Array:
    """Log-odds (pixels,) of being object, learned from the trusted pixels; if these are too few, the truth itself."""
    sample = np.random.default_rng(0).permutation(trusted)[:SAMPLE]
    if min(truth[sample].sum(), (~truth[sample]).sum()) < FEWEST:
        return np.where(truth, 1.0, -1.0)
    drawn = np.stack([feature[sample] for feature in features], axis=1)
    centre, spread = drawn.mean(axis=0), drawn.std(axis=0) + 1e-6
    weights = fit_logistic((drawn - centre) / spread, truth[sample])
    slopes = weights[:-1] / spread
    log_odds = np.full(len(truth), weights[-1] - centre @ slopes, np.float32)
    for feature, slope in zip(features, slopes, strict=True):
        log_odds += feature * np.float32(slope)
    return log_odds


def background_level(smooth: Array, outside: Array) -> float:
    """Intensity of the background, given which pixels of (*S) lie outside all clusters."""
    return float(np.median(smooth[outside][::ENOUGH]) if outside.any() else np.percentile(smooth, 5))


def _relative_level(ids: Array, deep: Array, smooth: Array, background: float) -> tuple[Array, bool]:
    """Intensity between an object's rim (0) and its core (1), and whether objects are brighter than their rims.

    Bright, dark, strong and faint objects look alike on this scale.
    """
    n = int(ids.max()) + 1
    deepest = np.zeros(n, np.float32)
    np.maximum.at(deepest, ids, deep)
    core, rim = deep >= CORE * deepest[ids], deep < RIM
    high = _means(ids[core], smooth[core], n, background)
    low = _means(ids[rim], smooth[rim], n, background)
    span = high - low
    rises = bool(span[1:].sum() >= 0)  # not the median: background has many clusters, all of them faint
    span = np.where(np.abs(span) < FLAT, np.where(span < 0, -FLAT, FLAT), span)
    level = np.clip((smooth - low[ids]) / span[ids], -1, 2)
    return level.astype(np.float32), rises


def _means(ids: Array, values: Array, n: int, otherwise: float, fewest: int = 5) -> Array:
    counts = np.bincount(ids, minlength=n)
    return np.where(counts >= fewest, np.bincount(ids, values, n) / np.maximum(counts, 1), otherwise)
