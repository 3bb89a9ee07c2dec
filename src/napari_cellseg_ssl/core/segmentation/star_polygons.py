"""Star-convex polygons: distances from a pixel to its object's border along rays, and the way back to objects.

Schmidt et al., "Cell Detection with Star-Convex Polygons", MICCAI 2018. Geometry and non-maximum suppression are those
of the `stardist` package, compiled and free of TensorFlow.
"""

import warnings
from types import ModuleType

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core import messages
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.metrics.matching import compact_ids

SMALLEST_DISTANCE = 1e-3


def object_probability(labels: Array) -> Array:
    """Depth of each pixel in its object, as a share of the object's deepest pixel.

    Parameters
    ----------
    labels : (Y, X) integer

    Returns
    -------
    (Y, X) float32
        0 in the background, 1 in the middle of an object; the image's edge is no border.
    """
    found: Array = _stardist("utils").edt_prob(_compact(labels))
    return found.astype(np.float32, copy=False)


def star_distances(labels: Array, rays: int, step: int = 1) -> Array:
    """Distances in px from each pixel of an object to the object's border.

    Parameters
    ----------
    labels : (Y, X) integer
    rays : int
        Directions, evenly over the circle.
    step : int
        Every how many pixels along each axis the distances are wanted.

    Returns
    -------
    (rays, Y', X') float32
        0 in the background. The image's edge counts as a border.
    """
    found: Array = _stardist("geometry").star_dist(_compact(labels), rays, grid=(step, step))
    return found.transpose(2, 0, 1)


def reaches_edge(distances: Array, shape: tuple[int, int], step: int = 1) -> Array:
    """Whether a ray ends at the edge of the image, so that its length says nothing.

    Parameters
    ----------
    distances : (rays, Y', X') float32
        Of `star_distances` with the same step.
    shape : (Y, X)

    Returns
    -------
    (rays, Y', X') bool
    """
    angles = np.linspace(0, 2 * np.pi, len(distances), endpoint=False, dtype=np.float32)[:, None, None]
    reached = np.zeros(distances.shape, bool)
    for axis, direction in enumerate((np.sin(angles), np.cos(angles))):
        place = step * np.arange(distances.shape[1 + axis], dtype=np.float32)
        end = distances * direction + place.reshape((1, -1, 1) if axis == 0 else (1, 1, -1))
        reached |= (end <= 0) | (end >= shape[axis] - 1)
    return reached


def find_polygons(probability: Array, distances: Array, *, threshold: float, overlap: float) -> tuple[Array, ...]:
    """Choose polygons, the most probable first, each unless it overlaps a chosen one too much.

    Only local maxima of the probability are candidates: any other pixel's polygon ought to be that of its more probable
    neighbour. Since the most probable come first, those above a higher threshold are the first
    of these.

    Parameters
    ----------
    probability : (Y, X) float32
    distances : (rays, Y, X) float32, px
    threshold : float
        Least probability of a polygon's centre.
    overlap : float
        Largest allowed overlap of two polygons, as a share of the smaller one's area.

    Returns
    -------
    points : (n, 2) int
    probabilities : (n,) float32
        Falling.
    distances : (n, rays) float32
    """
    is_peak = (probability == ndimage.maximum_filter(probability, 3)) & (probability > threshold)
    points = np.argwhere(is_peak)
    found: tuple[Array, ...] = _stardist("nms").non_maximum_suppression_sparse(
        np.maximum(distances[:, is_peak].T, SMALLEST_DISTANCE), probability[is_peak], points, nms_thresh=overlap
    )[:3]
    return found


def draw_polygons(points: Array, distances: Array, shape: tuple[int, ...]) -> Array:
    """Draw polygons as labels; where they overlap the first ones win.

    Parameters
    ----------
    points : (n, 2)
    distances : (n, rays) float, px

    Returns
    -------
    (Y, X) int32
        Ids from 1 in the order of the polygons.
    """
    labels: Array = _stardist("geometry").polygons_to_label(
        distances, points, shape, prob=-np.arange(len(points), dtype=np.float32)
    )
    return labels


def _compact(labels: Array) -> Array:
    """Renumber the objects of a label image from 1, since the package reads 16 bits only."""
    compact, ids = compact_ids(labels)
    if len(ids) > np.iinfo(np.uint16).max:
        raise messages.too_many_objects(len(ids))
    return compact.reshape(labels.shape).astype(np.uint16)


def _stardist(name: str) -> ModuleType:
    """Import a module of stardist; the host's way of showing warnings, which stardist replaces, stays as it is."""
    from importlib import import_module

    shown = warnings.formatwarning
    try:
        return import_module(f"stardist.{name}")
    except ImportError as problem:
        raise messages.stardist_missing(problem) from problem
    finally:
        warnings.formatwarning = shown
