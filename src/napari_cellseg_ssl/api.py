"""The main job in five calls, for notebooks and scripts; the event streams are in `napari_cellseg_ssl.tasks`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from napari_cellseg_ssl.core.annotations import Annotation
from napari_cellseg_ssl.core.bundle import ModelBundle
from napari_cellseg_ssl.core.errors import WrongAnnotation
from napari_cellseg_ssl.core.events import MapsReady, Note, TrainFinished, last_of
from napari_cellseg_ssl.core.images import Array, ImageStack
from napari_cellseg_ssl.core.learning.pseudo_labels import agreed
from napari_cellseg_ssl.core.maps import PredictionMaps
from napari_cellseg_ssl.core.method import MethodInfo
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.core.registry import get_method, method_infos
from napari_cellseg_ssl.core.run_folders import require_own_run
from napari_cellseg_ssl.core.starters import PREFIX, load_starter
from napari_cellseg_ssl.core.volumes import ZMeaning, spatial_ndim
from napari_cellseg_ssl.tasks import predict as predict_events
from napari_cellseg_ssl.tasks import segment as segment_events
from napari_cellseg_ssl.tasks import segment_image
from napari_cellseg_ssl.tasks import train as train_events
from napari_cellseg_ssl.tasks.control import Control
from napari_cellseg_ssl.tasks.events import LabelsReady
from napari_cellseg_ssl.tasks.files import (
    LabelsMode,
    annotate,
    find_files,
    guess_labels_mode,
    pair_by_stem,
    read_labels,
)
from napari_cellseg_ssl.tasks.predict import bundle_ndims
from napari_cellseg_ssl.tasks.reading import Reading
from napari_cellseg_ssl.tasks.reading_many import read_each
from napari_cellseg_ssl.tasks.requests import Diameter, PredictRequest, SegmentRequest, TrainRequest

Picture = str | Path | Array | ImageStack
MODES: dict[LabelsMode, str] = {
    "sparse": "The labels look like sparse painting: 0 unknown, 1 background, cells from 2.",
    "dense": "The labels look complete: 0 background, every other number a cell.",
}


def methods() -> tuple[MethodInfo, ...]:
    """Describe the methods there are."""
    return method_infos()


def load_run(path: str | Path) -> ModelBundle:
    """Open a run folder, or the starter model NAME by "starter:NAME".

    Raises
    ------
    WrongRun
        If it is not one, or is damaged; or if there is no such starter.
    """
    if str(path).startswith(PREFIX):
        return load_starter(str(path))
    return ModelBundle.load(Path(path))


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
        What other methods found, 0 = background: learnt from where nothing is painted, never judged by. With both, only
        what they agree on.
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
    return last_of(_told(train_events(request, control), on_event), TrainFinished).bundle


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
    return last_of(_told(predict_events(request), on_event), MapsReady).maps


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
        labels = last_of(_told(events, on_event), LabelsReady).labels
        return labels[0] if len(labels) == 1 else labels
    reading = Reading(axes=axes, channels=channels, z=z, spacing=spacing, spatial_ndims=bundle_ndims(bundle))
    request = predict_request(bundle, image, reading, object_diameter, device, noted(on_event))
    labels = last_of(_told(segment_image(request, settings), on_event), LabelsReady).labels
    return request.image.to_source(labels)


def collect(
    images: Any,
    labels: Any,
    pseudo_labels: Any = None,
    agreeing_with: Any = None,
    *,
    reading: Reading,
    labels_mode: LabelsMode | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[tuple[ImageStack, ...], tuple[Annotation | None, ...], tuple[Annotation | None, ...]]:
    """Read images and pair labels and pseudo-labels with them; all may be paths, arrays, or sequences of either.

    What is left out, which files pair, a guessed `labels_mode`, and what is done with slices, is told in sentences.
    Nothing is learned from a part of what was given: where files cannot be read, the error names all of them.
    """
    pictures = _as_list(images)
    files: list[Path] = []
    if pictures and all(isinstance(p, str | Path) for p in pictures):
        files = find_files(cast(Iterable[str | Path], pictures), tell=tell)
        stacks = tuple(read_each(files, lambda file: reading.file(file, tell)))
    else:
        stacks = tuple(_stack(p, reading, n, tell) for n, p in enumerate(pictures))
    arrays = _partners(labels, stacks, files, tell)
    mode = labels_mode or guess_labels_mode(a for a in arrays if a is not None)
    if arrays and labels_mode is None:
        tell(MODES[mode])
    annotations = tuple(None if a is None else annotate(a, mode) for a in arrays)
    first = _partners(pseudo_labels, stacks, files, tell, "pseudo-labels")
    second = _partners(agreeing_with, stacks, files, tell, "results to agree with")
    return stacks, annotations, _pseudo_labels(first, second)


def _partners(
    labels: Any,
    stacks: Sequence[ImageStack],
    files: Sequence[Path],
    tell: Callable[[str], None],
    what: str = "labels",
) -> list[Array | None]:
    """Labels (N, *S) of each image; empty where there are none at all."""
    if labels is None:
        return []
    partners: Sequence[Any] = _as_list(labels)
    if files and all(isinstance(p, str | Path) for p in partners):
        partners = pair_by_stem(files, find_files(partners, labels=True, images=files, tell=tell), tell, what)
    if len(partners) != len(stacks):
        raise WrongAnnotation(f"{len(stacks)} images but {len(partners)} labels.", "Give one per image, or None.")
    return read_each(zip(partners, stacks, strict=True), lambda pair: _labels(*pair))


def _pseudo_labels(first: Sequence[Array | None], second: Sequence[Array | None]) -> tuple[Annotation | None, ...]:
    if second and not first:
        raise WrongAnnotation("There are results to agree with, but none that could agree.", "Give pseudo-labels too.")
    if not second:
        return tuple(None if a is None else Annotation.from_dense(a) for a in first)
    pairs = zip(first, second, strict=True)
    return tuple(None if a is None or b is None else agreed(a, b) for a, b in pairs)


def _labels(partner: Any, stack: ImageStack) -> Array | None:
    if partner is None or isinstance(partner, str | Path):
        return None if partner is None else read_labels(Path(partner), stack)
    labels = np.asarray(partner)
    return labels[None] if labels.ndim == len(stack.spatial_shape) else labels


def _stack(picture: Any, reading: Reading, n: int, tell: Callable[[str], None] = lambda text: None) -> ImageStack:
    if isinstance(picture, ImageStack):
        return reading.understood(picture)
    if isinstance(picture, str | Path):
        return reading.file(find_files([picture], tell=tell)[0], tell)
    return reading.array(picture, f"image {n + 1}")


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def start(model: str | Path | ModelBundle | None) -> ModelBundle | Literal["auto"] | None:
    """Return what a training begins with: a model, nothing, or what is chosen later."""
    if model is None or (isinstance(model, str) and model == "none"):
        return None
    return "auto" if isinstance(model, str) and model == "auto" else opened(model)


def opened(model: str | Path | ModelBundle) -> ModelBundle:
    """Return a model, read from its folder where it is not there yet."""
    return model if isinstance(model, ModelBundle) else load_run(model)


def predict_request(
    bundle: ModelBundle,
    image: Picture,
    reading: Reading,
    object_diameter: Diameter | None,
    device: str,
    tell: Callable[[str], None] = lambda text: None,
) -> PredictRequest:
    """Ask for the maps of an image of any kind; what is not used of a file is told."""
    stack = _stack(image, reading, 0, tell)
    return PredictRequest(bundle=bundle, image=stack, object_diameter=object_diameter, device=device)


def noted(listener: Callable[[object], None] | None) -> Callable[[str], None]:
    """Turn sentences into notes for a listener, if there is one."""
    return lambda text: None if listener is None else listener(Note(text))


def _told(events: Iterable[object], listener: Callable[[object], None] | None) -> Iterable[object]:
    for event in events:
        if listener is not None:
            listener(event)
        yield event
