"""Small images with cells, and paintings of them."""

import numpy as np


def disks(shape=(64, 64), radius=5, pitch=16, n=None):
    """Draw a lattice of disks -> labels (*S) int32."""
    labels = np.zeros(shape, np.int32)
    yy, xx = np.indices(shape)
    centres = [(y, x) for y in range(pitch // 2, shape[0], pitch) for x in range(pitch // 2, shape[1], pitch)]
    for i, (y, x) in enumerate(centres[:n], start=1):
        labels[(yy - y) ** 2 + (xx - x) ** 2 <= radius**2] = i
    return labels


def picture(labels, seed=0):
    """Make a noisy uint8 image (*S) in which the cells are bright."""
    noise = np.random.default_rng(seed).normal(0, 4, labels.shape)
    return np.clip(30 + 170 * (labels > 0) + noise, 0, 255).astype(np.uint8)


def painting(labels, n_cells=3):
    """Paint some cells with ids from 2 and the top rows of background with id 1."""
    painted = np.zeros(labels.shape, np.uint16)
    painted[:2] = np.where(labels[:2] == 0, 1, 0)
    for new, old in enumerate(np.unique(labels)[1 : n_cells + 1], start=2):
        painted[labels == old] = new
    return painted
