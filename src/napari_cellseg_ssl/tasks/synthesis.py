"""What a method draws by itself: masks to look at before it learns, and pairs that others train on."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.errors import WrongImage, WrongOption, WrongRun
from napari_cellseg_ssl.core.events import Note
from napari_cellseg_ssl.core.images import ImageStack
from napari_cellseg_ssl.core.method import DrawsImages, DrawsMasks
from napari_cellseg_ssl.core.registry import get_method
from napari_cellseg_ssl.core.synthetic_masks import MaskExample
from napari_cellseg_ssl.core.tiff import label_dtype, write_tiff
from napari_cellseg_ssl.tasks.control import Control
from napari_cellseg_ssl.tasks.events import FileWritten
from napari_cellseg_ssl.tasks.guard import guarded
from napari_cellseg_ssl.tasks.predict import device_for
from napari_cellseg_ssl.tasks.requests import PreviewWindow, SynthesisRequest
from napari_cellseg_ssl.tasks.windows import cut_out

WHITE = np.iinfo(np.uint16).max


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
        raise WrongOption(f"{method.info.title} draws no masks.", "Choose a method that learns from drawn masks.")
    return method.example_mask(cut_out(image, window.frame, window.region), diameter, options)


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
    """
    control = control or Control()
    bundle = request.bundle
    method = get_method(bundle.method_id)
    if not isinstance(method, DrawsImages):
        raise WrongRun(f"Model '{bundle.name}' of {method.info.title} cannot draw images.", "Choose a run of AD-GAN.")
    ndim = bundle.architecture.get("spatial_ndim")
    if ndim != len(request.shape):
        raise WrongImage(f"Model '{bundle.name}' draws {ndim}D images, not {len(request.shape)}D ones.")
    axes = "ZYX"[-len(request.shape) :]
    folders = [request.folder / name for name in ("images", "labels")]
    with guarded("Drawing"):
        device = device_for(method.info, request.device, None)
        yield Note(f"Device: {device.why}.")
        pairs = method.synthetic_pairs(
            bundle, request.shape, count=request.count, seed=request.seed, device=device.name
        )
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        for number, pair in enumerate(pairs, start=1):
            image = np.round(pair.image * WHITE).astype(np.uint16)
            labels = pair.labels.astype(label_dtype(pair.labels))
            for folder, array in zip(folders, (image, labels), strict=True):
                file = folder / f"synthetic_{number:04d}.tif"
                write_tiff(file, array, axes)
                yield FileWritten(file)
            if control.should_stop():
                return
