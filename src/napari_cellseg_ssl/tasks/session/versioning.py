"""Jobs that make versions, bring them back, and compare them; each is one stream of events for one worker."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongRun
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import Note, TrainFinished
from napari_cellseg_ssl.core.metrics.disagreement import disagreements
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.starters import is_starter
from napari_cellseg_ssl.tasks import pipelines
from napari_cellseg_ssl.tasks.events import LabelsReady
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.memory import closed_after
from napari_cellseg_ssl.tasks.pipelines import Model, ReadImage, agreement
from napari_cellseg_ssl.tasks.predict import segment_image
from napari_cellseg_ssl.tasks.session import messages
from napari_cellseg_ssl.tasks.session.events import Began, BundleOpened, OptionsKept, VersionAdded, VersionRestored
from napari_cellseg_ssl.tasks.session.saved_layers import KeptLayer, save_layer
from napari_cellseg_ssl.tasks.session.versions import (
    LABELS_FOLDER,
    Origin,
    Version,
    add_version,
    labels_beside,
    load_version,
    next_folder,
)
from napari_cellseg_ssl.tasks.warm_up import load_torch


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """Where the version that a job makes is kept, and with what.

    Parameters
    ----------
    room : Path
        Folder of the session.
    labels : tuple of KeptLayer
        What is painted when the job is asked for.
    folder : Path, optional
        Run folder of the training, or of the model that is opened.
    bundle, current : optional
        The model that the job begins with, and its version.
    """

    room: Path
    labels: tuple[KeptLayer, ...] = ()
    folder: Path | None = None
    bundle: ModelBundle | None = None
    current: Version | None = None

    def after(self, event: object) -> VersionAdded | None:
        """Keep a version, if an event made one."""
        match event:
            case TrainFinished(bundle, _) if bundle.weights:
                folder = self.folder if self.folder is not None and self.folder.parent == self.room else None
                return self._add(bundle, "learned", folder)
            case BundleOpened(bundle, _) if bundle.weights and not (self.folder is None and is_starter(bundle)):
                beside = labels_beside(self.folder) if self.folder is not None else ()
                return replace(self, labels=beside or self.labels)._add(bundle, "opened")
            case OptionsKept(bundle) if bundle.weights:
                return self._add(bundle, "tuned")
        return None

    def _add(self, bundle: ModelBundle, origin: Origin, folder: Path | None = None) -> VersionAdded:
        folder = folder or next_folder(self.room, bundle.method_id)
        return VersionAdded(add_version(folder, bundle, self.labels, origin, self.current), bundle)


@dataclass(frozen=True)
class LayersRestored:
    """What was painted at an earlier time is to be put back."""

    layers: tuple[KeptLayer, ...]
    in_place: bool = False
    """Whether what is painted now is to be replaced; else the layers are added beside it."""
    chosen: str = ""
    """Key of the layer that is learned from."""


@dataclass(frozen=True)
class Compared:
    """What two versions make of the same image.

    Parameters
    ----------
    labels : two (N, *S) integer
    differences : (N, *S) int32
        Instances of either that have no partner in the other.
    f1 : float
        Agreement at IoU 0.5.
    """

    versions: tuple[Version, Version]
    labels: tuple[Array, Array]
    differences: Array
    f1: float


def keeping(job: Callable[[Control], Iterator[object]], keep: Keeping) -> Callable[[Control], Iterator[object]]:
    """Let a job keep a version as soon as it has learned, opened or tuned a model.

    Raises
    ------
    WrongRun
        If it cannot be kept; the events so far have brought the model into the window.
    """

    def run(control: Control) -> Iterator[object]:
        with closed_after(job(control)) as events:
            for event in events:
                yield event
                try:
                    added = keep.after(event)
                except (WrongRun, WrongAnnotation) as problem:
                    raise messages.version_not_kept_model_stays(problem.message) from problem
                if added is not None:
                    yield added

    return run


def keep_options(bundle: ModelBundle, _control: Control) -> Iterator[object]:
    """Make segmentation options those of the current model; a version is kept of it on the way."""
    yield Began("saving")
    yield OptionsKept(bundle)


def save(folder: Path, keep: Keeping, control: Control) -> Iterator[object]:
    """Write the current model as a run folder, with the labels of its version, or with what is painted now."""
    if keep.bundle is None:
        return
    yield from pipelines.save(keep.bundle, folder, control)
    for layer in labels_beside(keep.current.folder) if keep.current is not None else keep.labels:
        save_layer(folder / LABELS_FOLDER, layer)


def restore(version: Version, keep: Keeping | None, with_labels: bool, _control: Control) -> Iterator[object]:
    """Bring a version back: its model, then what was painted, if that is wanted.

    Parameters
    ----------
    keep : Keeping, optional
        What is painted now, to be kept as a version first.

    Raises
    ------
    WrongRun
        If weights or labels are not those that were kept.
    """
    yield Began("opening")
    bundle, layers = load_version(version)
    if keep is not None:
        if keep.bundle is None:
            raise messages.no_version_without_model()
        folder = next_folder(keep.room, keep.bundle.method_id)
        yield VersionAdded(add_version(folder, keep.bundle, keep.labels, "kept", keep.current), keep.bundle)
    yield VersionRestored(version, bundle)
    if with_labels:
        yield LayersRestored(layers, in_place=True)


def compare(
    read: ReadImage, versions: tuple[Version, Version], device: str, threads: int, control: Control
) -> Iterator[object]:
    """Segment an image with two versions, each with its own settings, and find where they differ."""
    yield Began("comparing", can_pause=True)
    image = read()
    found = []
    for version in versions:
        bundle, _ = load_version(version)
        if get_method(bundle.method_id).info.uses_torch:
            yield from load_torch()
        model = Model(bundle, None, device, threads)
        for event in segment_image(model.on(image), bundle.segment_options, control):
            if isinstance(event, LabelsReady):
                found.append(event.labels)
            else:
                yield event
        if control.should_stop():
            return
    first, second = found
    differences = np.stack([disagreements(a, b) for a, b in zip(first, second, strict=True)])
    f1 = agreement(second, first).f1 or 0.0
    yield Compared(versions, (first, second), differences, f1)
    yield Note(messages.versions_agree(versions[0].number, versions[1].number, f1))
