"""From clusters with a halo to outlines, without labels.

The foreground of Cellulus is too large: every pixel whose patch touches an object predicts stably, so a halo of
about half the field of view surrounds each object. The paper shrinks by 0 to 6 px, chosen on the test data, or fits
to the signal by Otsu's threshold in each object. Both exist here; the default learns the outline from the image itself
(`learnt_outline`), because neither suits bright nuclei, dim textured ones and phase contrast alike.
"""

import numpy as np

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.instances.otsu import otsu_per_object
from napari_cellseg_ssl.core.methods.cellulus.logistic import fit_logistic

DEEPEST = 16
CONTRAST = 0.05
SAMPLE = 6000


def depth_in(foreground: Array) -> Array:
    """Distance (px, at most `DEEPEST`) of each pixel to the background, within 8 % of the Euclidean one.

    Two integer distances bracket the Euclidean one and cost a tenth of it, which keeps sliders fast.
    """
    from scipy.ndimage import distance_transform_cdt

    if foreground.all():
        return np.full(foreground.shape, DEEPEST, np.float32)
    squares = distance_transform_cdt(foreground, "chessboard")
    blocks = distance_transform_cdt(foreground, "taxicab")
    return np.minimum(np.maximum(squares, blocks / np.sqrt(foreground.ndim)), DEEPEST).astype(np.float32)


def halo_width(labels: Array, depth: Array, smooth: Array, diameter: float) -> float:
    """Estimate how many px the clusters extend beyond their objects.

    A mean of two independent estimates: where the objects left over have the median diameter they should have
    (twice its weight), and where, from the rim inwards, the mean intensity changes fastest.

    Parameters
    ----------
    labels : (*S) int32
    depth : (*S) float32, px
        Distance to the background.
    smooth : (*S) float32
        Smoothed intensity.
    diameter : float, px
    """
    return (2 * _depth_of_size(labels, depth, diameter) + _depth_of_edge(labels, depth, smooth)) / 3


def _depth_of_size(labels: Array, depth: Array, diameter: float) -> float:
    n, steps = int(labels.max()), 2 * DEEPEST + 1
    inside = labels > 0
    layer = np.minimum((2 * depth[inside]).astype(np.intp), steps - 1)
    counts = np.bincount(labels[inside] * steps + layer, minlength=(n + 1) * steps).reshape(n + 1, steps)[1:]
    left_over = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    expected = expected_size(diameter, labels.ndim)
    sizes = [
        np.median(column[column > 0.1 * expected]) if (column > 0.1 * expected).any() else 0 for column in left_over.T
    ]
    return 0.5 * int(np.argmin(np.abs(np.array(sizes) - expected)))


def _depth_of_edge(labels: Array, depth: Array, smooth: Array) -> float:
    layer = np.minimum(np.rint(depth).astype(np.intp), DEEPEST)[labels > 0]
    counts = np.maximum(np.bincount(layer, minlength=DEEPEST + 1), 1)
    profile = np.bincount(layer, smooth[labels > 0], DEEPEST + 1) / counts
    change = np.abs(np.diff(profile[1:12]))
    return float(1.5 + np.argmax(change))


def expected_size(diameter: float, ndim: int) -> float:
    """Area or volume (px) of an object of this diameter."""
    return float(np.pi / 4 * diameter**2 if ndim == 2 else np.pi / 6 * diameter**3)


def relative_level(labels: Array, depth: Array, smooth: Array) -> Array:
    """Intensity between an object's rim (0) and its core (1), for the pixels of objects.

    Bright, dark, strong and faint objects look alike on this scale.

    Returns
    -------
    (labelled pixels,) float32
    """
    n = int(labels.max()) + 1
    inside = labels > 0
    ids, values, deep = labels[inside], smooth[inside], depth[inside]
    deepest = np.zeros(n, np.float32)
    np.maximum.at(deepest, ids, deep)
    core, rim = deep >= 0.7 * deepest[ids], deep < 3
    background = float(np.median(smooth[~inside])) if not inside.all() else float(np.percentile(smooth, 5))
    high, low = _means(ids[core], values[core], n, background), _means(ids[rim], values[rim], n, background)
    span = high - low
    span = np.where(np.abs(span) < 0.02, np.where(span < 0, -0.02, 0.02), span)
    return np.clip((values - low[ids]) / span[ids], -1, 2).astype(np.float32)


def learnt_outline(labels: Array, depth: Array, intensity: Array, *, diameter: float, tightness: float = 0.5) -> Array:
    """Learn from this image which pixels of the clusters are object and which are halo.

    The teacher is the depth: farther inside than the halo's width is object, the rest is not. On average that is right,
    for a single pixel often wrong. A logistic regression on what the pixels look like learns the average, and then
    corrects the single pixels.

    Parameters
    ----------
    labels : (*S) int32
    depth : (*S) float32, px
        Distance to the background.
    intensity : (*S) float32
    diameter : float, px
        Of a typical object.
    tightness : float
        Probability a pixel needs to count as object.

    Returns
    -------
    (*S) bool
    """
    inside = labels > 0
    mask = np.zeros(labels.shape, bool)
    smooth, *others = appearance(intensity)
    width = halo_width(labels, depth, smooth, diameter)
    truth = (depth[inside] > width).astype(np.float32)
    if truth.all() or not truth.any():
        mask[inside] = truth > 0
        return mask
    features = np.column_stack([relative_level(labels, depth, smooth), smooth[inside], *(o[inside] for o in others)])
    sample = np.random.default_rng(0).choice(len(features), min(SAMPLE, len(features)), replace=False)
    centre, spread = features[sample].mean(axis=0), features[sample].std(axis=0) + 1e-6
    weights = fit_logistic((features[sample] - centre) / spread, truth[sample])
    score = features @ (weights[:-1] / spread).astype(np.float32) + (weights[-1] - centre @ (weights[:-1] / spread))
    mask[inside] = score > np.log(tightness / (1 - tightness))
    return mask


def appearance(intensity: Array) -> tuple[Array, Array, Array, Array]:
    """Describe each pixel: smoothed at 1 and at 2 px, spread at 2 px, slope at 1 px; each (*S) float32."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(intensity, 1, truncate=3)
    wide = gaussian_filter(intensity, 2, truncate=3)
    spread = np.sqrt(np.maximum(gaussian_filter(intensity * intensity, 2, truncate=3) - wide * wide, 0))
    slope = np.sqrt(sum(np.gradient(smooth, axis=axis) ** 2 for axis in range(intensity.ndim)))
    return smooth, wide, spread, slope


def fitted_outline(labels: Array, intensity: Array, *, sign: int) -> Array:
    """Fit each cluster to its signal by Otsu's threshold; clusters without contrast vanish.

    Parameters
    ----------
    labels : (*S) int32
    intensity : (*S) float32
    sign : int
        1 for objects brighter than their surroundings, -1 for darker ones.

    Returns
    -------
    (*S) bool
    """
    from scipy.ndimage import gaussian_filter

    inside, n = labels > 0, int(labels.max(initial=0))
    values, ids = sign * gaussian_filter(intensity, 1, truncate=3)[inside], labels[inside]
    is_signal = values > otsu_per_object(values, ids, n)[ids]
    contrast = _means(ids[is_signal], values[is_signal], n + 1, 0) - _means(
        ids[~is_signal], values[~is_signal], n + 1, 0
    )
    mask = np.zeros(labels.shape, bool)
    mask[inside] = is_signal & (contrast >= CONTRAST)[ids]
    return mask


def _means(ids: Array, values: Array, n: int, otherwise: float) -> Array:
    counts = np.bincount(ids, minlength=n)
    return np.where(counts >= 5, np.bincount(ids, values, n) / np.maximum(counts, 1), otherwise)
