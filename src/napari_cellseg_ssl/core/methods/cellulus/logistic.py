"""Logistic regression with a small ridge, by Newton's method: instant, and without importing scikit-learn."""

import numpy as np

from napari_cellseg_ssl.core.data.images import Array

RIDGE = 1e-4
ITERATIONS, CLOSE = 12, 1e-4


def fit_logistic(features: Array, truth: Array) -> Array:
    """Fit the chance that `truth` is 1.

    Parameters
    ----------
    features : (n, f)
        Standardised.
    truth : (n,)
        0 or 1.

    Returns
    -------
    (f + 1,) float64
        Weights; the last one is the constant.
    """
    design = np.column_stack([features, np.ones(len(features))]).astype(np.float64)
    weights = np.zeros(design.shape[1])
    penalty = RIDGE * len(features)
    for _ in range(ITERATIONS):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (chance - truth) + penalty * weights
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + penalty * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < CLOSE:
            break
    return weights
