"""Whether a starter model is right for somebody's images, and which one a training begins with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.inference.windows import cut_out
from napari_cellseg_ssl.core.methods.base import MethodInfo, SegmentsPixels, for_channels, get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, last_of
from napari_cellseg_ssl.core.metrics.matching import match_pairs, overlap
from napari_cellseg_ssl.core.metrics.scores import pooled_f1
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.starters import PREFIX, Starter, load_starter, starters
from napari_cellseg_ssl.tasks.predict import bundle_ndims, predict
from napari_cellseg_ssl.tasks.requests import Diameter, PredictRequest

REFERENCE = "classical"
"""The method that learned results are compared with."""
LOOKED_AT, SIDE = 3, 512
"""So many images are looked at, and of a large one the middle, px: somebody waits, and dozens of cells tell enough."""
AGREEING, LESS_SURE = 0.7, 0.05
"""A starter fits from this agreement on, unless it is so much less sure than of the images that it learned from; see
docs/developer/starters.md for the figures."""
SURE = "sure"
"""Name, among the scores of a model, of how sure it is of those images."""
NETWORK = {
    "encoder": "the network",
    "second_encoder": "the second network",
    "proxy": "the proxy class",
    "distance": "the distance field",
}
"""Options that a starter has decided, where its method has them, besides the size of its network."""
CLASSES = ("probability", 3)
"""The map that is looked at: background, interior, boundary."""
GROUND = 0.9
"""Probability of background from which a pixel needs no thought."""


@dataclass(frozen=True)
class Fit:
    """Whether a starter suits some images, and why, in a sentence; with the agreement, of several the best is taken."""

    fits: bool
    why: str
    agreement: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """What can be seen without labels of how well a model suits images, and what it is used to.

    Parameters
    ----------
    agreement : float
        F1 at IoU 0.5 between its instances and those of the classical method, pooled over the images.
    sure : float
        Mean probability of the most probable class where it is not sure of background; 0 where that is nowhere.
    usual : float
        The same over the images that it learned from; 0 where its run does not say.
    """

    agreement: float
    sure: float
    usual: float
    n_images: int


def fits(
    starter: Starter | ModelBundle,
    images: Sequence[ImageStack],
    *,
    object_diameter: Diameter = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Fit:
    """Decide from channels, axes and pixels whether a starter suits images; up to three are looked at.

    Raises
    ------
    CellSegError
        If the starter's file is damaged, or an image cannot be used.
    """
    bundle = load_starter(starter.name) if isinstance(starter, Starter) else starter
    reason = next((text for image in images if (text := _other_kind(bundle, image))), "")
    if reason or not images:
        return Fit(False, reason or "There is no image to judge by.")
    return judged(evidence(bundle, images, object_diameter=object_diameter, device=device, threads=threads))


def evidence(
    bundle: ModelBundle,
    images: Sequence[ImageStack],
    *,
    object_diameter: Diameter = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Evidence:
    """Segment some of the images with a model that gives class probabilities, and compare."""
    method, reference = get_method(bundle.method_id), cast(SegmentsPixels, get_method(REFERENCE))
    matches, sure = [], []
    chosen = sorted({round(i * (len(images) - 1) / max(1, LOOKED_AT - 1)) for i in range(LOOKED_AT)})
    for image in (_middle(images[i]) for i in chosen):
        request = PredictRequest(
            bundle=bundle, image=image, object_diameter=object_diameter, device=device, threads=threads
        )
        maps = last_of(predict(request), MapsReady).maps
        found = method.segment(maps, bundle.segment_options)[0]
        pixels = Intensity().normalise(image.frames[0]).mean(axis=0)
        matches.append(match_pairs(overlap(reference.segment_pixels(pixels, maps.diameter), found), 0.5))
        sure.append(_sure(maps.arrays["probability"][0]))
    return Evidence(pooled_f1(matches), float(np.mean(sure)), _usual(bundle), len(matches))


def suits(bundle: ModelBundle, maps: PredictionMaps, agreement: float) -> Fit:
    """Decide the same from what was predicted already, and how far its instances agree with the classical ones."""
    return judged(Evidence(agreement, _sure(maps.arrays["probability"][0]), _usual(bundle), 1))


def judged(found: Evidence) -> Fit:
    """Say whether the evidence is good enough."""
    figures = f"its cells agree with the classical ones by F1 {found.agreement:.2f}, and it is {found.sure:.0%} sure"
    over = "one image" if found.n_images == 1 else f"{found.n_images} images"
    if found.agreement < AGREEING:
        return Fit(False, f"On {over} {figures}: below F1 {AGREEING} one of the two is wrong.", found.agreement)
    if found.sure < found.usual - LESS_SURE:
        return Fit(
            False, f"On {over} {figures}, of the images that it learned from {found.usual:.0%}.", found.agreement
        )
    return Fit(True, f"On {over} {figures}.", found.agreement)


def pick(
    info: MethodInfo,
    options: Any,
    images: Sequence[ImageStack],
    *,
    object_diameter: Diameter = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> tuple[ModelBundle | None, str]:
    """Choose the starter that a training begins with, of those that fit the best, and say which and why in a sentence.

    Parameters
    ----------
    options
        The method's training options; a starter with another network is no start.
    """
    candidates = [one for one in starters() if one.method_id == info.id]
    if not candidates:
        return None, f"Nothing to start from: there is no starter model of {info.title}."
    fitting: list[tuple[Fit, Starter, ModelBundle]] = []
    reasons = []
    for starter in candidates:
        bundle = load_starter(starter.name)
        other = _other_network(options, bundle.train_options)
        if other:
            reasons.append(f"{PREFIX}{starter.name} has {other}.")
            continue
        fit = fits(bundle, images, object_diameter=object_diameter, device=device, threads=threads)
        if fit.fits:
            fitting.append((fit, starter, bundle))
        else:
            reasons.append(f"{PREFIX}{starter.name} does not fit. {fit.why}")
    if fitting:
        best, starter, bundle = max(fitting, key=lambda one: one[0].agreement)
        return bundle, f"Starting from {PREFIX}{starter.name}. {best.why}"
    return None, f"Starting from nothing: {' '.join(reasons)}"


def _other_network(options: Any, has: Any) -> str:
    """Say in what a starter with options `has` differs from what is asked for."""
    for name, what in NETWORK.items():
        mine, its = (getattr(one, name, None) for one in (options, has))
        if mine != its:
            return f"{what} '{its}', this training '{mine}'"
    return ""


def _other_kind(bundle: ModelBundle, image: ImageStack) -> str:
    method = get_method(bundle.method_id)
    if not any((spec.name, spec.channels) == CLASSES for spec in method.info.maps):
        return (
            f"A model of {method.info.title} gives no probabilities of background, interior and boundary to judge by."
        )
    reader = for_channels(method, bundle, image.n_channels)
    channels = reader.architecture["in_channels"]
    if image.n_channels != channels:
        return f"It was made for {channels} channel(s), and image '{image.name}' has {image.n_channels}."
    if len(image.spatial_shape) not in bundle_ndims(bundle):
        return f"It was not made for {len(image.spatial_shape)}D images such as '{image.name}'."
    return ""


def _middle(image: ImageStack) -> ImageStack:
    """View the middle of the first frame."""
    starts = [max(0, (size - SIDE) // 2) for size in image.spatial_shape]
    return cut_out(image, 0, tuple(slice(start, start + SIDE) for start in starts))


def _usual(bundle: ModelBundle) -> float:
    return bundle.provenance.scores.get(SURE, 0.0)


def _sure(probabilities: Array) -> float:
    """Mean probability of the most probable class of (3, Y, X), where background is not certain."""
    thought = probabilities[0] < GROUND
    return float(probabilities.max(axis=0)[thought].mean()) if thought.any() else 0.0
