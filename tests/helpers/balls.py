"""Discs and balls of a known size, drawn as labels, as noisy images or as volumes with distant slices."""

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.images import ImageStack


def labelled_balls(shape, *centres_and_radii):
    """Label image of balls (centre, radius); later ones lie on top."""
    grid = np.indices(shape)
    labels = np.zeros(shape, dtype=np.int32)
    for k, (centre, radius) in enumerate(centres_and_radii, start=1):
        distance = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
        labels[distance <= radius**2] = k
    return labels


def noisy_balls(diameter, *, shape=(256, 256), noise=0.05, seed=0, background=0.1, brightness=0.8):
    """Blurred discs on a jittered grid, with noise."""
    rng = np.random.default_rng(seed)
    step = 1.7 * diameter
    mask = np.zeros(shape, dtype=bool)
    grid = np.indices(shape)
    corners = [np.arange(step / 2, side, step) for side in shape]
    for centre in np.stack(np.meshgrid(*corners, indexing="ij"), axis=-1).reshape(-1, len(shape)):
        centre = centre + rng.uniform(-0.15, 0.15, len(shape)) * diameter
        mask |= sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= (diameter / 2) ** 2
    image = background + (brightness - background) * ndimage.gaussian_filter(mask.astype(float), 1.0)
    return (image + noise * rng.standard_normal(shape)).astype(np.float32)


BALLS = [((10, 12, 12), 7), ((20, 30, 14), 7), ((12, 28, 32), 7), ((24, 12, 34), 7)]
DISTANCE = 3
"""Px between the slices of a volume of balls."""


def ball_volume(noise=0.05):
    """Draw balls of 14 px, every third slice kept: labels (Z, Y, X), and an image with its spacing."""
    labels = labelled_balls((36, 45, 45), *BALLS)
    grey = 0.1 + 0.7 * ndimage.gaussian_filter((labels > 0).astype(float), 1.0)
    grey += noise * np.random.default_rng(0).standard_normal(labels.shape)
    image = ImageStack.from_array(grey[1::DISTANCE], "ZYX", name="balls", spacing=(1.5, 0.5, 0.5))
    return labels[1::DISTANCE], image
