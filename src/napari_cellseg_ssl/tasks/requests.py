"""One frozen record per job: all that a worker needs, so that nothing else crosses the thread."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.model.bundle import ModelBundle

FileFormat = Literal["tiff", "ome-zarr"]
Diameter = float | Literal["auto"]
"""In source px, or estimated from each image."""
TRIALS = 100
"""Combinations of options that a search tries."""


@dataclass(frozen=True)
class PreviewWindow:
    """A window to watch while training: which image of the request, which frame, which part of it.

    `options` are the segmentation options to show it with; None takes the method's defaults.
    """

    image: int
    frame: int
    region: tuple[slice, ...]
    options: Any = None


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """Train a method.

    Parameters
    ----------
    images : tuple of ImageStack
    annotations : tuple of Annotation or None
        One per image, or empty when nothing is painted. The request owns them: painting may go on meanwhile.
    pseudo_labels : tuple of Annotation or None
        One per image, or empty: what another method found, to learn from where nothing is painted.
    options
        A record of the method's training options; None takes those of the preset.
    one_size : bool
        Whether a diameter that is given holds for all images, or only for the first; then the others are estimated.
    known_diameters : tuple of float or None
        One per image, or empty: the size of objects in source px where it is known of an image for certain.
    preset : str
        Name of the preset, "" for the method's first.
    time_budget : float, optional
        Seconds of training, pauses not counted; None trains `options.steps` steps.
    start_from : ModelBundle or "auto", optional
        Weights to start from; "auto" takes a starter model of the method if one fits the images, and says so.
    out : Path, optional
        Run folder; while training it holds a checkpoint at most half a minute old.
    resume : bool
        Go on from the checkpoint in `out`, with the settings recorded there.
    overwrite : bool
        Replace what is in `out` also if it is the work of another method, or was not written by this package.
    threads : int, optional
        CPU threads for torch; None leaves torch's choice.
    preview : () -> PreviewWindow or None
        Asked in the job's thread at every snapshot: what to show of the network as it is.
    """

    method_id: str
    images: tuple[ImageStack, ...]
    annotations: tuple[Annotation | None, ...] = ()
    pseudo_labels: tuple[Annotation | None, ...] = ()
    options: Any = None
    preset: str = ""
    object_diameter: Diameter = "auto"
    one_size: bool = True
    known_diameters: tuple[float | None, ...] = ()
    device: str = "auto"
    seed: int = 0
    time_budget: float | None = None
    start_from: ModelBundle | Literal["auto"] | None = None
    out: Path | None = None
    resume: bool = False
    overwrite: bool = False
    name: str = ""
    threads: int | None = None
    preview: Callable[[], PreviewWindow | None] | None = None


@dataclass(frozen=True, kw_only=True)
class PredictRequest:
    """Run a model's network over an image; `object_diameter` None takes what the model says."""

    bundle: ModelBundle
    image: ImageStack
    object_diameter: Diameter | None = None
    device: str = "auto"
    threads: int | None = None


@dataclass(frozen=True, kw_only=True)
class InterpolationRequest(PredictRequest):
    """Show by degrees how a model turns an image into its mask.

    Parameters
    ----------
    frame : int
    region : tuple of slice
        Part of the frame, along each axis of S; empty for all of it.
    steps : int
        From the image to the mask, both included.
    """

    frame: int = 0
    region: tuple[slice, ...] = ()
    steps: int = 11


@dataclass(frozen=True, kw_only=True)
class SegmentRequest:
    """Make instances from maps; `options` None takes the method's defaults."""

    method_id: str
    maps: PredictionMaps
    options: Any = None


@dataclass(frozen=True, kw_only=True)
class TuneRequest:
    """Search a method's segmentation options for the best score on the painted pixels.

    Parameters
    ----------
    maps, annotations : tuples of the same length
        What the network made of each image, and what is known of it.
    options
        Where the search starts; the default that has to be beaten.
    trials : int
    """

    method_id: str
    maps: tuple[PredictionMaps, ...]
    annotations: tuple[Annotation, ...]
    options: Any
    trials: int = TRIALS
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """Write what was made of one image.

    Parameters
    ----------
    image : ImageStack
        Gives file names, axes, spacing, and the intensities to be measured.
    labels : (N, *S) integer, optional
    scores : tuple of (K,) float, optional
        Of each frame, in the order of its ids; they go into COCO and into the table.
    maps : PredictionMaps, optional
        Written on the image's own grid, float32, one file per map.
    roi, coco, measure : bool
        ImageJ ROIs as a zip file; masks as COCO JSON; a table of measurements as CSV, in µm where the spacing is known.
    file_name : str
        Of the image, by which COCO finds it again; empty where only its name is known.
    write_labels : bool
        False where the label file is there already, as for images written block by block.
    file_format : "tiff" or "ome-zarr"
        Of labels and maps.
    metadata : {str: str}
        Written into the description of the TIFF, or the attributes of the OME-Zarr.
    overwrite : bool
        Replace also files that this package did not write.
    """

    folder: Path
    image: ImageStack
    labels: Array | None = None
    scores: tuple[Array, ...] = ()
    maps: PredictionMaps | None = None
    roi: bool = False
    coco: bool = False
    measure: bool = False
    write_labels: bool = True
    file_format: FileFormat = "tiff"
    file_name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class SegmentFilesRequest:
    """Segment an image of any size and write what is made of it.

    Parameters
    ----------
    prediction : PredictRequest
    export : ExportRequest
        Of the same image, without labels, scores and maps: what is found is written.
    options
        Segmentation options; None takes those of the model.
    maps : bool
        Write the network's maps too.
    """

    prediction: PredictRequest
    export: ExportRequest
    options: Any = None
    maps: bool = False


@dataclass(frozen=True, kw_only=True)
class SynthesisRequest:
    """Draw images with known objects, to train a method on that needs labels.

    Parameters
    ----------
    folder : Path
        Gets "images" and "labels", with files of the same names.
    shape : tuple of int
        (Y, X) or (Z, Y, X), px.
    channels : int, optional
        Of the images, all alike: a model knows one brightness only. None for as many as it was trained on.
    overwrite : bool
        Replace also files that this package did not write.
    """

    bundle: ModelBundle
    folder: Path
    shape: tuple[int, ...] = (256, 256)
    count: int = 50
    channels: int | None = None
    overwrite: bool = False
    seed: int = 0
    device: str = "auto"
    threads: int | None = None
