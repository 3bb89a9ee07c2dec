"""Detect in images of any size, window by window."""

from __future__ import annotations

from collections.abc import Callable

import torch

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.inference.detection_windows import Window, join_windows, plan_windows
from napari_cellseg_ssl.core.nets.detector.detector import Detector


def detect_window(detector: Detector, image: Array, window: Window) -> Detections:
    """Return what is found in one window of an image (C, Y, X) float32, in px of the window."""
    crop = torch.from_numpy(image[(slice(None), *window.slices)].copy())
    return detector.detect(crop[None].to(detector.input_mean.device))[0]


def detect_image(
    detector: Detector,
    image: Array,
    *,
    side: int = 512,
    overlap: int = 128,
    should_stop: Callable[[], bool] = lambda: False,
) -> Detections | None:
    """Detect in an image (C, Y, X) float32.

    Parameters
    ----------
    detector : Detector
        In prediction mode.
    side : int
        Of a window, px.
    overlap : int
        Of windows, px: at least twice the diameter of the largest object.

    Returns
    -------
    Detections or None
        None after a stop.
    """
    windows = plan_windows((image.shape[1], image.shape[2]), side, overlap)
    found = []
    for window in windows:
        if should_stop():
            return None
        found.append(detect_window(detector, image, window))
    return join_windows(windows, found)
