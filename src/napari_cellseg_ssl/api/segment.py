"""Prediction and instances in one call each; with scores, or step by step, where a method has them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_cellseg_ssl.api import messages
from napari_cellseg_ssl.api.inputs import Picture, noted, predict_request, relayed
from napari_cellseg_ssl.api.models import opened
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.data.volumes import ZMeaning
from napari_cellseg_ssl.core.methods.base import ScoresObjects, SegmentationSteps, ShowsSteps, get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, last_of
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.tasks import predict as predict_events
from napari_cellseg_ssl.tasks import segment as segment_events
from napari_cellseg_ssl.tasks import segment_image
from napari_cellseg_ssl.tasks.axis_policy import Reading
from napari_cellseg_ssl.tasks.events import LabelsReady
from napari_cellseg_ssl.tasks.predict import bundle_ndims
from napari_cellseg_ssl.tasks.requests import Diameter, SegmentRequest


def predict(
    model: str | Path | ModelBundle,
    image: Picture,
    *,
    object_diameter: Diameter | None = None,
    device: str = "auto",
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    z: ZMeaning | None = None,
    spacing: Sequence[float] | None = None,
    on_event: Callable[[object], None] | None = None,
) -> PredictionMaps:
    """Run a model's network over an image; the maps can be segmented again and again.

    Parameters
    ----------
    on_event : (event) -> None, optional
        Called with every event, among them `Remark` where the image seems to be of another kind.
    """
    bundle = opened(model)
    reading = Reading(axes=axes, channels=channels, z=z, spacing=spacing, spatial_ndims=bundle_ndims(bundle))
    request = predict_request(bundle, image, reading, object_diameter, device, noted(on_event))
    return last_of(relayed(predict_events(request), on_event), MapsReady).maps


def segment(
    model: str | Path | ModelBundle,
    image: Picture | PredictionMaps,
    *,
    options: Mapping[str, Any] | None = None,
    object_diameter: Diameter | None = None,
    device: str = "auto",
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    z: ZMeaning | None = None,
    spacing: Sequence[float] | None = None,
    on_event: Callable[[object], None] | None = None,
) -> Array:
    """Find the instances in an image of any size, or in maps made by `predict`.

    Parameters
    ----------
    options : {name: value}, optional
        Segmentation options that differ from the model's own.
    z, spacing : optional
        As in `train`.
    on_event : (event) -> None, optional
        As in `predict`.

    Returns
    -------
    (N, *S) or (*S) int32
        With a sample axis where the image has one.
    """
    bundle = opened(model)
    settings = with_values(bundle.segment_options, options or {})
    if isinstance(image, PredictionMaps):
        events = segment_events(SegmentRequest(method_id=bundle.method_id, maps=image, options=settings))
        labels = last_of(relayed(events, on_event), LabelsReady).labels
        return labels[0] if len(labels) == 1 else labels
    reading = Reading(axes=axes, channels=channels, z=z, spacing=spacing, spatial_ndims=bundle_ndims(bundle))
    request = predict_request(bundle, image, reading, object_diameter, device, noted(on_event))
    labels = last_of(relayed(segment_image(request, settings), on_event), LabelsReady).labels
    return request.image.to_source(labels)


def segment_scored(
    model: str | Path | ModelBundle, image: Picture | PredictionMaps, **settings: Any
) -> tuple[Array, tuple[Array, ...]]:
    """Find the instances in an image as `segment` does, and say how sure the model is of each.

    Parameters
    ----------
    settings
        What else `segment` takes.

    Returns
    -------
    labels : (N, *S) or (*S) int32
    scores : tuple of (K,) float32
        One per frame: of the ids 1 to K, from 0 to 1.

    Raises
    ------
    WrongRun
        If the model's method gives no scores.
    """
    bundle = opened(model)
    if not isinstance(get_method(bundle.method_id), ScoresObjects):
        raise messages.no_scores(bundle.method_id)
    listener, found = settings.pop("on_event", None), []

    def listen(event: object) -> None:
        if isinstance(event, LabelsReady):
            found.append(event.scores)
        if listener is not None:
            listener(event)

    labels = segment(bundle, image, on_event=listen, **settings)
    return labels, found[-1]


def steps(
    model: str | Path | ModelBundle, maps: PredictionMaps, *, options: Mapping[str, Any] | None = None
) -> SegmentationSteps:
    """Make instances as `segment` does, and keep the seeds and partial results of each step.

    Parameters
    ----------
    maps : PredictionMaps
        What `predict` returned.
    options : {name: value}, optional
        Segmentation options that differ from the model's own.

    Raises
    ------
    WrongRun
        If the model's method has no steps to show.
    """
    bundle = opened(model)
    method = get_method(bundle.method_id)
    if not isinstance(method, ShowsSteps):
        raise messages.one_step_only(bundle.method_id)
    return method.steps(maps, with_values(bundle.segment_options, options or {}))
