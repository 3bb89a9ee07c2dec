"""Starter models for notebooks: which there are, and whether one suits one's images."""

from collections.abc import Sequence
from pathlib import Path

from napari_cellseg_ssl.api.inputs import Picture, collect
from napari_cellseg_ssl.api.models import opened
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.starters import Starter
from napari_cellseg_ssl.core.model.starters import starters as starters
from napari_cellseg_ssl.tasks.axis_policy import Reading
from napari_cellseg_ssl.tasks.predict import bundle_ndims
from napari_cellseg_ssl.tasks.requests import Diameter
from napari_cellseg_ssl.tasks.starter_selection import Fit
from napari_cellseg_ssl.tasks.starter_selection import fits as fits_stacks


def fits(
    starter: str | Path | Starter | ModelBundle,
    images: Picture | Sequence[Picture],
    *,
    object_diameter: Diameter = "auto",
    device: str = "auto",
    axes: str | None = None,
    channels: Sequence[int] | None = None,
) -> Fit:
    """Decide from the pixels whether a model suits images; up to three are looked at.

    Parameters
    ----------
    starter : "starter:NAME", Starter, run folder or ModelBundle of ACTIS or MAUNet
    images : path, folder, array, ImageStack, or a sequence of them

    Returns
    -------
    Fit
        `fits`, and `why` in a sentence.

    Examples
    --------
    >>> import napari_cellseg_ssl as cs  # doctest: +SKIP
    >>> cs.fits("starter:nuclei", "my_images/").why  # doctest: +SKIP
    """
    bundle = starter if isinstance(starter, ModelBundle) else opened(_name(starter))
    reading = Reading(axes=axes, channels=channels, spatial_ndims=bundle_ndims(bundle))
    stacks, _, _ = collect(images, None, reading=reading)
    return fits_stacks(bundle, stacks, object_diameter=object_diameter, device=device)


def _name(starter: str | Path | Starter) -> str | Path:
    return f"starter:{starter.name}" if isinstance(starter, Starter) else starter
