"""Regions that are similar to a model, for notebooks and scripts."""

from collections.abc import Sequence
from pathlib import Path

from napari_cellseg_ssl.api.inputs import Picture, predict_request
from napari_cellseg_ssl.api.models import opened
from napari_cellseg_ssl.core.inference.similar_regions import Alike
from napari_cellseg_ssl.core.methods.events import last_of
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.tasks.axis_policy import Reading
from napari_cellseg_ssl.tasks.predict import bundle_ndims
from napari_cellseg_ssl.tasks.requests import Diameter
from napari_cellseg_ssl.tasks.similar_regions import COUNT, AlikeFound, find_alike


def alike(
    model: str | Path | ModelBundle,
    image: Picture,
    place: Sequence[int],
    *,
    count: int = COUNT,
    object_diameter: Diameter | None = None,
    device: str = "auto",
    axes: str | None = None,
    channels: Sequence[int] | None = None,
) -> Alike:
    """Find what looks most like the part of an image around a place: a look into what a model has understood.

    Parameters
    ----------
    model : path or ModelBundle
        Of CUPre; pre-trained is enough.
    image : path, array or ImageStack
        Scaled and normalised as in `predict`.
    place : (Y, X) or (frame, Y, X), px
        Frames count from 0 over all samples and time points; the first one when absent.
    count : int
        How many to find; fewer where the image is small, or nothing else in it is like that place.
    object_diameter : float or "auto", optional, px
        Absent, what the model says.

    Raises
    ------
    WrongRun
        If the model's method cannot say this.
    WrongImage
        If the image does not fit the model, or the place lies outside of it.

    Examples
    --------
    >>> import napari_cellseg_ssl as cs  # doctest: +SKIP
    >>> model = cs.train("cupre", images="my_images/", options={"source": "shapes"})  # doctest: +SKIP
    >>> cs.alike(model, "my_images/first.tif", (120, 200)).boxes  # doctest: +SKIP
    """
    bundle = opened(model)
    reading = Reading(axes=axes, channels=channels, spatial_ndims=bundle_ndims(bundle))
    request = predict_request(bundle, image, reading, object_diameter, device)
    where = tuple(int(at) for at in (place if len(place) > 2 else (0, *place)))
    return last_of(find_alike(request, where, count), AlikeFound).alike
