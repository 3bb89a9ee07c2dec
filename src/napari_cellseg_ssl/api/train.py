"""Training in one call."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_cellseg_ssl.api.inputs import Picture, collect, noted, relayed
from napari_cellseg_ssl.api.models import start
from napari_cellseg_ssl.core.data.labels_mode import LabelsMode
from napari_cellseg_ssl.core.data.volumes import ZMeaning, spatial_ndim
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import TrainFinished, last_of
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_folder import require_own_run
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.tasks import train as train_events
from napari_cellseg_ssl.tasks.axis_policy import Reading
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.requests import Diameter, TrainRequest


def train(
    method: str,
    *,
    images: Picture | Sequence[Picture],
    labels: Any = None,
    labels_mode: LabelsMode | None = None,
    pseudo_labels: Any = None,
    agreeing_with: Any = None,
    preset: str = "",
    options: Mapping[str, Any] | None = None,
    object_diameter: Diameter = "auto",
    time_budget: float | None = None,
    device: str = "auto",
    seed: int = 0,
    start_from: str | Path | ModelBundle | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    z: ZMeaning | None = None,
    spacing: Sequence[float] | None = None,
    on_event: Callable[[object], None] | None = None,
    control: Control | None = None,
) -> ModelBundle:
    """Train a method and return its model.

    Parameters
    ----------
    method : str
        Its id; see `methods`.
    images : path, folder, array, ImageStack, or a sequence of them
    labels : the same kinds, optional
        Files pair with images by folder and stem (`x_labels.tif` or `x_masks.tif` with `x.tif`); arrays by position,
        with None where nothing is painted.
    labels_mode : "sparse" or "dense", optional
        Sparse: 0 unknown, 1 background, cells from 2. Dense: 0 background. Guessed when absent.
    pseudo_labels, agreeing_with : the same kinds as labels, optional
        What other methods found, 0 = background: learned from where nothing is painted, never validated on. With both,
        only what they agree on.
    options : {name: value}, optional
        Training options that differ from the preset.
    object_diameter : float or "auto", px
        In volumes px of the plane.
    z : "volume" or "frames", optional
        Whether slices along Z are one volume or images of their own. When absent, a volume where the axes say Z and
        the method works on volumes.
    spacing : sequence of float, optional
        Size of a pixel along Z, Y, X in µm, where the files do not say it.
    time_budget : float, optional, s
    start_from : run folder, "starter:NAME", "auto" or ModelBundle, optional
        What to begin with. "auto" takes a starter model of the method if it fits the images; a note says which, or why
        none.
    out : path, optional
        Run folder to write; an earlier run of the same method in it is replaced.
    overwrite : bool
        Replace also the work of another method in it, and files that this package did not write.
    on_event : (event) -> None, optional
        Called with every event of the training; first with notes on which files pair, and what was left out.

    Examples
    --------
    >>> import napari_cellseg_ssl as cs  # doctest: +SKIP
    >>> model = cs.train("cellulus", images="my_images/", time_budget=60, out="my_run")  # doctest: +SKIP
    >>> labels = cs.segment(model, "my_images/first.tif")  # doctest: +SKIP
    """
    info = get_method(method).info
    if out:
        require_own_run(Path(out), info.id, overwrite=overwrite)
    reading = Reading(axes=axes, channels=channels, z=z, spacing=spacing, spatial_ndims=info.spatial_ndims)
    stacks, annotations, found = collect(
        images, labels, pseudo_labels, agreeing_with, reading=reading, labels_mode=labels_mode, tell=noted(on_event)
    )
    request = TrainRequest(
        method_id=method,
        images=stacks,
        annotations=annotations,
        pseudo_labels=found,
        options=with_values(info.preset(preset or None, ndim=spatial_ndim(stacks)), options or {}),
        preset=preset,
        object_diameter=object_diameter,
        device=device,
        seed=seed,
        time_budget=time_budget,
        start_from=start(start_from),
        out=Path(out) if out else None,
        overwrite=overwrite,
    )
    return last_of(relayed(train_events(request, control), on_event), TrainFinished).bundle
