"""From maps to instances: foreground, clusters, joined pieces, outlines. No torch, no image."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.methods.cellulus.halo import depth_in, expected_size
from napari_cellseg_ssl.core.methods.cellulus.options import CellulusSegmentOptions
from napari_cellseg_ssl.core.methods.cellulus.outline import (
    Appearance,
    appearance,
    background_level,
    learned_score,
    signal_pixels,
)
from napari_cellseg_ssl.core.methods.cellulus.recall import Recall
from napari_cellseg_ssl.core.segmentation.clean_up import clean_up
from napari_cellseg_ssl.core.segmentation.density_peaks import density_peaks
from napari_cellseg_ssl.core.segmentation.mean_shift import mean_shift
from napari_cellseg_ssl.core.segmentation.merging import Touching, join_pieces, touching_pieces
from napari_cellseg_ssl.core.segmentation.otsu import otsu

T = TypeVar("T")

SEPARABLE = {2: 0.5, 3: 0.65}
"""Otsu's separability from which on the uncertainty is taken for two groups. A single Gaussian, halved, has 0.64: in
volumes, where many pixels of each patch are noisy, that is what tissue without gaps gives."""
CONTACT_DEPTH = 3.0
"""Working px; nearer to the background, two clusters meet in their halos and not in their objects."""
REMEMBERED = 16

_STAGES, _OWN_GRIDS = Recall(REMEMBERED), Recall(2)


def segment(maps: PredictionMaps, options: CellulusSegmentOptions) -> Array:
    """Make instances, (N, *S) int32 on the image's own grid."""
    if maps.scale > 1:
        maps = _OWN_GRIDS.get(maps.arrays["embedding"], (), maps.on_own_grid)
    frames = range(len(maps.arrays["embedding"]))
    return maps.labels_to_source(np.stack([FrameSegmenter(maps, index, options).instances() for index in frames]))


def foreground(maps: PredictionMaps, options: CellulusSegmentOptions) -> Array:
    """Pixels whose embedding is stable, halo included, (N, *Sw) bool.

    Without a threshold of the user's, Otsu's splits each frame. Where the uncertainty does not fall into two groups,
    as in tissue without gaps, everything is foreground.
    """
    return np.stack([stable_pixels(frame, options.threshold) for frame in maps.arrays["embedding-uncertainty"][:, 0]])


def stable_pixels(uncertainty: Array, threshold: float) -> Array:
    """Foreground (*S) bool of one frame; a threshold of 0 means Otsu's."""
    if threshold == 0:
        threshold, separability = otsu(uncertainty)
        if separability < SEPARABLE[uncertainty.ndim]:
            threshold = np.inf
    stable: Array = uncertainty < threshold
    return stable


@dataclass(frozen=True)
class FrameSegmenter:
    """The stages of segmenting one frame; each is remembered for the options it depends on.

    The network's halo is so many working px wide, so depths are in these; all other lengths are in px of the maps.
    """

    maps: PredictionMaps
    index: int
    options: CellulusSegmentOptions

    def instances(self) -> Array:
        """Make the final objects, (*Sw) int32."""
        labels = self._joined()
        if labels.max(initial=0) == 0:
            return labels
        outlined = np.where(self._is_object(labels), labels, 0)
        size = expected_size(self.maps.working_diameter, labels.ndim)
        return clean_up(outlined, min_size=self.options.smallest * size)

    def _remember(self, make: Callable[[], T], *key: Hashable) -> T:
        return _STAGES.get(self.maps.arrays["embedding"], (self.index, *key), make)

    def _stable(self) -> Array:
        threshold = self.options.threshold / self.maps.spacing
        uncertainty = self.maps.arrays["embedding-uncertainty"][self.index, 0]
        return self._remember(lambda: stable_pixels(uncertainty, threshold), "stable", self.options.threshold)

    def _looks(self) -> Appearance:
        intensity = self.maps.arrays["intensity"][self.index, 0]
        return self._remember(lambda: appearance(intensity, self.maps.spacing), "looks")

    def _depth(self) -> Array:
        return self._remember(lambda: depth_in(self._stable(), self.maps.spacing), "depth", self.options.threshold)

    def _clusters(self) -> Array:
        options = self.options
        cluster: Callable[..., Array] = mean_shift if options.clustering == "mean-shift" else density_peaks
        bandwidth = max(1.0, options.bandwidth * self.maps.working_diameter)
        return self._remember(
            lambda: cluster(self.maps.arrays["embedding"][self.index], self._stable(), bandwidth=bandwidth),
            "clusters",
            *self._clustering_key(),
        )

    def _joined(self) -> Array:
        labels, options = self._clusters(), self.options
        if options.joining == 0 or labels.max(initial=0) == 0:
            return labels
        touching, diameter = self._touching(), self.maps.working_diameter
        return self._remember(
            lambda: join_pieces(labels, touching, diameter=diameter, readiness=options.joining),
            "joined",
            *self._clustering_key(),
            options.joining,
        )

    def _touching(self) -> Touching:
        return self._remember(self._measure_contacts, "touching", *self._clustering_key())

    def _measure_contacts(self) -> Touching:
        labels, smooth = self._clusters(), self._looks().smooth
        return touching_pieces(
            labels,
            self.maps.arrays["embedding"][self.index],
            smooth - background_level(smooth, labels == 0),
            self._depth() > CONTACT_DEPTH,
            diameter=self.maps.working_diameter,
        )

    def _clustering_key(self) -> tuple[Hashable, ...]:
        return (self.options.threshold, self.options.bandwidth, self.options.clustering)

    def _is_object(self, labels: Array) -> Array:
        """Tell objects from their halos, (*Sw) bool."""
        options = self.options
        if options.outline == "auto":
            odds = options.tightness / (1 - options.tightness)
            is_object: Array = self._score(labels) > np.log(odds)
            return is_object
        if options.outline in ("bright", "dark"):
            return self._signal(labels, 1 if options.outline == "bright" else -1)
        if options.outline == "shrink":
            return self._depth() > options.shrink
        return labels > 0

    def _score(self, labels: Array) -> Array:
        options, diameter = self.options, self.maps.working_diameter
        return self._remember(
            lambda: learned_score(labels, self._depth(), self._looks(), diameter=diameter),
            "score",
            *self._clustering_key(),
            options.joining,
        )

    def _signal(self, labels: Array, sign: int) -> Array:
        inside = labels > 0
        is_object = np.zeros(labels.shape, bool)
        is_object[inside] = signal_pixels(labels[inside], sign * self._looks().smooth[inside])
        return is_object
