"""The jobs of the stage in which a model draws: an example, the way from image to mask, and pairs to learn from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_cellseg_ssl.core.data.scaling import working_shape
from napari_cellseg_ssl.core.data.synthetic_masks import SyntheticPair
from napari_cellseg_ssl.core.errors import reason
from napari_cellseg_ssl.core.methods.base import method_infos
from napari_cellseg_ssl.core.methods.events import TileDone
from napari_cellseg_ssl.tasks import messages
from napari_cellseg_ssl.tasks.diameters import resolve_diameter
from napari_cellseg_ssl.tasks.events import FileWritten
from napari_cellseg_ssl.tasks.interpolation import interpolate
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.pipelines import Model, ReadImage
from napari_cellseg_ssl.tasks.requests import InterpolationRequest, PreviewWindow, SynthesisRequest
from napari_cellseg_ssl.tasks.session.events import Began
from napari_cellseg_ssl.tasks.synthesis import PAIR_FOLDERS, draw_pairs, drawn_diameter, synthesise
from napari_cellseg_ssl.tasks.training_files import TrainingFile, read_drawn_pairs
from napari_cellseg_ssl.tasks.warm_up import load_torch

LONGEST_EXAMPLE = {2: 512, 3: 96}
"""Side of an example, px, by the number of spatial axes."""
PAIR_SIDE = {2: 256, 3: 64}


@dataclass(frozen=True)
class ExampleDrawn:
    """A pair, and how large one pixel of it is along each axis, in px of the image beside which it is shown."""

    pair: SyntheticPair
    pixel: tuple[float, ...]


@dataclass(frozen=True)
class PairsReady:
    """Pairs that were written into a folder, as they are learned from."""

    files: tuple[TrainingFile, ...]
    folder: Path


def draw_example(read: ReadImage, model: Model, seed: int, control: Control) -> Iterator[object]:
    """Draw one image of invented objects, as large as the image that is read where that is not too large.

    Yields
    ------
    Began, Note, `ExampleDrawn`; a stop before the drawing ends the stream without it.
    """
    yield Began("drawing")
    yield from load_torch()
    image, bundle = read(), model.bundle
    wanted = bundle.object_diameter if model.diameter is None else model.diameter
    zoom = drawn_diameter(bundle) / resolve_diameter(image, wanted)
    longest = LONGEST_EXAMPLE[len(image.spatial_shape)]
    shape = tuple(min(longest, size) for size in working_shape(image.spatial_shape, zoom, image.aspect))
    if control.should_stop():
        return
    for event in draw_pairs(bundle, shape, seed=seed, device=model.device, threads=model.threads):
        if isinstance(event, SyntheticPair):
            yield ExampleDrawn(event, tuple(1 / (zoom * aspect) for aspect in image.aspect))
        else:
            yield event


def show_between(read: ReadImage, model: Model, window: PreviewWindow, control: Control) -> Iterator[object]:
    """Turn what is seen of an image into its mask by degrees; yields Began and what `interpolate` does."""
    yield Began("drawing", can_pause=True)
    yield from load_torch()
    asked = model.on(read())
    request = InterpolationRequest(**vars(asked), frame=window.frame, region=window.region)
    yield from interpolate(request, control)


def write_pairs(
    model: Model, folder: Path, count: int, seed: int, n_channels: int, control: Control
) -> Iterator[object]:
    """Write pairs, and read them as they are learned from; a stop keeps those that are there.

    Yields
    ------
    Began, Note, FileWritten and TileDone of each pair, `PairsReady`

    Raises
    ------
    CellSegError
        If the folder cannot be written to.
    """
    yield Began("drawing", can_pause=True)
    yield from load_torch()
    ndim = bundle_ndim(model)
    request = SynthesisRequest(
        bundle=model.bundle,
        folder=_made(_unused(folder)),
        shape=(PAIR_SIDE[ndim],) * ndim,
        count=count,
        channels=n_channels,
        seed=seed,
        device=model.device,
        threads=model.threads,
    )
    files: list[Path] = []
    for event in synthesise(request, control):
        if isinstance(event, FileWritten):
            files.append(event.path)
            yield TileDone(len(files), 2 * count)
        else:
            yield event
    yield PairsReady(read_drawn_pairs(files[::2], files[1::2], drawn_diameter(model.bundle)), request.folder)


def bundle_ndim(model: Model) -> int:
    """Number of axes of the images that a model draws."""
    return int(model.bundle.architecture.get("spatial_ndim", 2))  # type: ignore[arg-type]


def learner_of_pairs() -> str:
    """Id of the first method that needs labels, for which pairs are drawn; "" if there is none."""
    return next((info.id for info in method_infos() if info.labels == "required"), "")


def _unused(folder: Path) -> Path:
    """Return the folder, or one in it where it holds images or labels already: they may be anybody's."""
    if not any((folder / name).exists() for name in PAIR_FOLDERS):
        return folder
    number = 1
    while (folder / f"drawn pairs {number}").exists():
        number += 1
    return folder / f"drawn pairs {number}"


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise messages.folder_not_made(folder, reason(problem)) from problem
    return folder
