"""How far clusters reach beyond their objects.

Every pixel whose patch touches an object predicts stably, so the foreground of Cellulus has a halo of up to half
the field of view. Nobody has to say how wide it is: the size of the objects and their edges tell.
"""

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation.distance import squared_distance_up_to

DEEPEST = 16
SPECK = 0.1


def expected_size(diameter: float, ndim: int) -> float:
    """Area or volume (px) of an object of this diameter."""
    return float(np.pi / 4 * diameter**2 if ndim == 2 else np.pi / 6 * diameter**3)


def depth_in(foreground: Array, spacing: float = 1.0) -> Array:
    """Distance (working px, at most `DEEPEST`) of each pixel to the background, (*S) float32.

    Parameters
    ----------
    spacing : float
        Size of a pixel, working px.
    """
    pixels = int(np.ceil((DEEPEST - 0.5) / spacing + 0.5))
    squared = squared_distance_up_to(foreground, pixels)
    # Distances are those of pixel centres: the edge lies half a pixel before, whatever the size of a pixel.
    depth = (np.sqrt(np.arange(pixels**2 + 1)) - 0.5) * spacing + 0.5
    found: Array = np.clip(depth, 0, DEEPEST).astype(np.float32)[squared]
    return found


def width_by_size(ids: Array, depth: Array, size: float) -> float:
    """Width (px) that, taken off all clusters, leaves objects of the right median size."""
    layers = 2 * DEEPEST + 1
    counts = np.bincount(ids * layers + (2 * depth).astype(np.intp), minlength=(int(ids.max()) + 1) * layers)
    left_over = counts.reshape(-1, layers)[1:, ::-1].cumsum(axis=1)[:, ::-1]
    sizes = [np.median(column[column > SPECK * size]) if (column > SPECK * size).any() else 0 for column in left_over.T]
    return 0.5 * int(np.argmin(np.abs(np.array(sizes) - size)))
