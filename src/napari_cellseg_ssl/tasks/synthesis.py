"""What a method draws by itself: masks to look at before it learns, and pairs, as arrays and as files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.synthetic_masks import MaskExample, SyntheticPair
from napari_cellseg_ssl.core.inference.windows import cut_out
from napari_cellseg_ssl.core.io.own_files import require_own
from napari_cellseg_ssl.core.io.tiff import label_dtype, write_tiff
from napari_cellseg_ssl.core.methods.base import DrawsImages, DrawsMasks, get_method
from napari_cellseg_ssl.core.methods.events import Note
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.tasks import messages
from napari_cellseg_ssl.tasks.events import FileWritten
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.memory import guarded
from napari_cellseg_ssl.tasks.predict import device_for
from napari_cellseg_ssl.tasks.requests import PreviewWindow, SynthesisRequest

WHITE = np.iinfo(np.uint16).max
PAIR_FOLDERS = ("images", "labels")


def example_mask(
    image: ImageStack, window: PreviewWindow, method_id: str, diameter: float, options: Any
) -> MaskExample:
    """Draw a mask as a training would, as large as a window of an image; before, and without torch.

    Parameters
    ----------
    diameter : float
        Of the image's objects, source px.
    options
        Training options of the method.

    Raises
    ------
    WrongOption
        If the method draws no masks.
    """
    method = get_method(method_id)
    if not isinstance(method, DrawsMasks):
        raise messages.draws_no_masks(method.info.title)
    return method.example_mask(cut_out(image, window.frame, window.region), diameter, options)


def can_draw(bundle: ModelBundle | None) -> bool:
    """Whether a model can draw images of objects that it invents."""
    return bundle is not None and isinstance(get_method(bundle.method_id), DrawsImages)


def drawn_diameter(bundle: ModelBundle) -> float:
    """Diameter of a typical object, px, in the images that a model draws."""
    return float(bundle.train_options.working_diameter)


def draw_pairs(
    bundle: ModelBundle,
    shape: Sequence[int],
    *,
    count: int = 1,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
) -> Iterator[Note | SyntheticPair]:
    """Draw images and their objects.

    Parameters
    ----------
    shape : sequence of int
        (Y, X) or (Z, Y, X), px.

    Yields
    ------
    Note, then `SyntheticPair` `count` times

    Raises
    ------
    WrongRun
        If the model cannot draw.
    WrongImage
        If it draws images with other axes, or of more than no pixels.
    """
    method = get_method(bundle.method_id)
    if not isinstance(method, DrawsImages):
        raise messages.draws_no_images(bundle.name, method.info.title)
    ndim = bundle.architecture.get("spatial_ndim")
    if ndim != len(shape):
        raise messages.draws_other_dimensions(bundle.name, ndim, len(shape))
    if min(shape) < 1:
        raise messages.shape_without_pixels(tuple(shape))
    with guarded("Drawing"):
        chosen = device_for(method.info, device, threads)
        yield Note(f"Device: {chosen.why}.")
        yield from method.synthetic_pairs(bundle, shape, count=count, seed=seed, device=chosen.name)


def synthesise(request: SynthesisRequest, control: Control | None = None) -> Iterator[FileWritten | Note]:
    """Draw pairs and write them, images as uint16; a stop ends it after the current pair.

    Yields
    ------
    Note, then FileWritten for each image and for its labels

    Raises
    ------
    WrongRun
        If the model cannot draw.
    WrongImage
        If it draws images with other axes, or a file cannot be written.
    WouldOverwrite
        If one is there that somebody else wrote; before any work is done.
    """
    control, number = control or Control(), 0
    require_own(
        (_pair_file(request, folder, n) for folder in PAIR_FOLDERS for n in range(1, request.count + 1)),
        overwrite=request.overwrite,
    )
    drawn = draw_pairs(
        request.bundle,
        request.shape,
        count=request.count,
        seed=request.seed,
        device=request.device,
        threads=request.threads,
    )
    for event in drawn:
        if isinstance(event, Note):
            yield event
            continue
        number += 1
        for folder, array, axes in _files_of(event, request):
            file = _pair_file(request, folder, number)
            write_tiff(file, array, axes)
            yield FileWritten(file)
        if control.should_stop():
            return


def _pair_file(request: SynthesisRequest, folder: str, number: int) -> Path:
    return request.folder / folder / f"synthetic_{number:04d}.tif"


def _files_of(pair: SyntheticPair, request: SynthesisRequest) -> Iterator[tuple[str, Array, str]]:
    """Yield folder, pixels and axes of an image and of its labels."""
    space = "ZYX"[-len(request.shape) :]
    n_channels = request.channels or int(request.bundle.architecture.get("in_channels", 1))  # type: ignore[arg-type]
    image = np.round(pair.image * WHITE).astype(np.uint16)
    if n_channels == 1:
        yield "images", image, space
    else:
        axes = space.replace("YX", "CYX")
        yield "images", np.stack([image] * n_channels, axis=axes.index("C")), axes
    yield "labels", pair.labels.astype(label_dtype(pair.labels)), space
