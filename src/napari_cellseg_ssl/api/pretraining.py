"""What pre-training is worth on one's own labels, in one call for notebooks and scripts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_cellseg_ssl.api.inputs import Picture, collect, noted
from napari_cellseg_ssl.core.data.labels_mode import LabelsMode
from napari_cellseg_ssl.core.data.volumes import ZMeaning
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.tasks.axis_policy import Reading
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.pretraining_comparison import (
    DEFAULT_ARMS,
    METHOD,
    ArmDone,
    PretrainingComparisonRequest,
)
from napari_cellseg_ssl.tasks.pretraining_comparison import compare_pretraining as compare_events
from napari_cellseg_ssl.tasks.requests import Diameter


def compare_pretraining(
    *,
    images: Picture | Sequence[Picture],
    labels: Any,
    source: str | Path = "",
    labels_mode: LabelsMode | None = None,
    pretrain_seconds: float | None = None,
    fine_tune_seconds: float | None = None,
    arms: Sequence[str] = DEFAULT_ARMS,
    preset: str = "",
    options: Mapping[str, Any] | None = None,
    object_diameter: Diameter = "auto",
    device: str = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    z: ZMeaning | None = None,
    on_event: Callable[[object], None] | None = None,
    control: Control | None = None,
) -> tuple[list[dict[str, Any]], dict[str, ModelBundle]]:
    """Pre-train CUPre in several ways, fine-tune each alike on the same labels, and judge by the same held-out cells.

    Parameters
    ----------
    images, labels, labels_mode, preset, options, object_diameter, z : as in `train`
    source : str or path
        Annotated images to pre-train on, or "shapes"; as the option of that name.
    pretrain_seconds, fine_tune_seconds : float, optional, s
        Of each arm; without them as many steps are made as the options say.
    arms : sequence of str
        Of "scratch" (no pre-training), "source" (the source alone), "moco" (the images alone) and "cupre" (both).
    out : path, optional
        Gets a run folder for each arm.
    overwrite : bool
        As in `train`.
    on_event : (event) -> None, optional
        Called with every event.

    Returns
    -------
    rows : list of dict
        For each arm: arm, f1 and iou on the held-out cells, held_out (their number), pretrain_steps, pretrain_seconds,
        fine_tune_steps, fine_tune_seconds. After a stop, of the arms that were finished.
    bundles : {arm: ModelBundle}

    Raises
    ------
    WrongOption
        If an arm needs a source and there is none.
    WrongAnnotation
        If too few cells are painted to hold some out.

    Examples
    --------
    >>> import napari_cellseg_ssl as cs  # doctest: +SKIP
    >>> rows, models = cs.compare_pretraining(  # doctest: +SKIP
    ...     images="my_images/", labels="painted/", source="shapes", pretrain_seconds=300, fine_tune_seconds=120
    ... )
    """
    info = get_method(METHOD).info
    reading = Reading(axes=axes, channels=channels, z=z, spatial_ndims=info.spatial_ndims)
    stacks, annotations, _ = collect(images, labels, reading=reading, labels_mode=labels_mode, tell=noted(on_event))
    given = {"source": str(source)} if source else {}
    request = PretrainingComparisonRequest(
        images=stacks,
        annotations=annotations,
        options=with_values(info.preset(preset or None), {**(options or {}), **given}),
        pretrain_seconds=pretrain_seconds,
        fine_tune_seconds=fine_tune_seconds,
        arms=tuple(arms),
        object_diameter=object_diameter,
        device=device,
        seed=seed,
        out=Path(out) if out else None,
        overwrite=overwrite,
    )
    done: list[ArmDone] = []
    for event in compare_events(request, control):
        if on_event is not None:
            on_event(event)
        if isinstance(event, ArmDone):
            done.append(event)
    return [asdict(one.row) for one in done], {one.row.arm: one.bundle for one in done}
