"""Images to learn from beside the chosen one: other layers of the viewer, and files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_cellseg_ssl.core.data.annotations import BACKGROUND_ID
from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.gui.layers.inputs import painting_source
from napari_cellseg_ssl.gui.layers.layout import level_zero
from napari_cellseg_ssl.gui.layers.tags import find_layer, is_image
from napari_cellseg_ssl.gui.session.image_source import image_source
from napari_cellseg_ssl.gui.session.worker import LatestOnly
from napari_cellseg_ssl.gui.widgets.wording import counted
from napari_cellseg_ssl.tasks.pipelines import Example
from napari_cellseg_ssl.tasks.training_files import TrainingFile, read_training_files, with_labels


@dataclass(frozen=True)
class MoreRow:
    """One image as the list shows it; `why_not` says why it cannot be learned from."""

    key: int
    name: str
    labels: str
    is_checked: bool
    is_file: bool
    why_not: str = ""


@dataclass
class _Entry:
    """An image that is offered: a layer or a file."""

    key: int
    source: Image | TrainingFile
    is_checked: bool
    n_cells: int | None = None


class MoreImages(QObject):
    """Which images are offered, and which of them are learned from."""

    changed = Signal()
    """Other images are offered, or something else is known of them."""
    chosen = Signal()
    """What is learned from has changed."""
    failed = Signal(object)

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = ref(viewer)
        self._beside: Image | None = None
        self._entries: list[_Entry] = []
        self._keys = count()
        self.is_reading = False
        self._counts = LatestOnly(self)
        self._counts.done.connect(self._on_counts)
        self._files = LatestOnly(self)
        self._files.done.connect(self._on_read)
        self._files.failed.connect(self._on_failed)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._refresh)
        viewer.layers.events.connect(self._on_layer_event)
        self._refresh()

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return self._files.is_busy or self._counts.is_busy

    @property
    def n_chosen(self) -> int:
        """Images that are learned from."""
        return sum(row.is_checked for row in self.rows())

    def rows(self) -> tuple[MoreRow, ...]:
        """List what is offered: layers, then files."""
        return tuple(self._row(entry) for entry in self._offered())

    def stand_beside(self, layer: Image | None) -> None:
        """Offer all images but this one."""
        self._beside = layer
        self._refresh()

    def check(self, key: int, is_checked: bool) -> None:
        """Learn from an image, or do not."""
        for entry in self._entries:
            if entry.key == key:
                entry.is_checked = is_checked
        self.chosen.emit()

    def add_files(self, paths: Sequence[Path]) -> None:
        """Read files, or all images in folders, and learn from them too."""
        self._read(lambda: read_training_files(paths))

    def add_labels(self, folder: Path) -> None:
        """Read the labels of the files that were added, by stem."""
        files = [entry.source for entry in self._entries if isinstance(entry.source, TrainingFile)]
        self._read(lambda: with_labels(files, folder))

    def remove(self, keys: Sequence[int]) -> None:
        """Forget files."""
        is_gone = [isinstance(entry.source, TrainingFile) and entry.key in keys for entry in self._entries]
        self._entries = [entry for entry, gone in zip(self._entries, is_gone, strict=True) if not gone]
        self._tell()

    def examples(self, channels: Sequence[int] | None, *, with_labels: bool, ndim: int) -> tuple[Example, ...]:
        """Take what a job needs of the checked images; with `ndim` 2, slices of volumes are frames.

        Drawn images are there for their labels: nobody else learns from them.

        Raises
        ------
        CellSegError
            If the labels of one do not fit it.
        """
        viewer, learned = self._viewer(), self.sources()
        if viewer is None:
            return ()
        return tuple(
            _of_file(source, channels, with_labels, ndim)
            if isinstance(source, TrainingFile)
            else _of_layer(viewer, source, channels, with_labels, ndim)
            for source in learned
            if with_labels or not _is_drawn(source)
        )

    def sources(self) -> tuple[Image | TrainingFile, ...]:
        """List the checked images, layers before files."""
        return tuple(entry.source for entry in self._offered() if self._row(entry).is_checked)

    def forget(self) -> None:
        """Let go of all images and of what is under way."""
        self._counts.cancel()
        self._files.cancel()
        self._entries, self._beside = [], None

    def _offered(self) -> list[_Entry]:
        return [entry for entry in self._entries if entry.source is not self._beside]

    def _row(self, entry: _Entry) -> MoreRow:
        source = entry.source
        is_file = isinstance(source, TrainingFile)
        name = source.path.name if isinstance(source, TrainingFile) else source.name
        labels = "no labels" if entry.n_cells is None else counted(entry.n_cells, "cell")
        why_not = self._why_not(source)
        return MoreRow(entry.key, name, labels, entry.is_checked and not why_not, is_file, why_not)

    def _why_not(self, source: Image | TrainingFile) -> str:
        try:
            n, wanted = _n_channels(source), _n_channels(self._beside or source)
        except CellSegError as problem:
            return str(problem)
        other = "the chosen image" if self._beside is None else f"'{self._beside.name}'"
        return "" if n == wanted else f"It has {counted(n, 'channel')}, but {other} has {counted(wanted, 'channel')}."

    def _read(self, function: Callable[[], tuple[TrainingFile, ...]]) -> None:
        if not self.is_reading:
            self.is_reading = True
            self._files.submit(function)
            self.changed.emit()

    def _on_read(self, files: tuple[TrainingFile, ...]) -> None:
        self.is_reading = False
        self.take(files)

    def take(self, files: Sequence[TrainingFile]) -> None:
        """Learn from files too that have been read already."""
        known = {entry.source.path: entry for entry in self._entries if isinstance(entry.source, TrainingFile)}
        for file in files:
            entry = known.get(file.path) or _Entry(next(self._keys), file, is_checked=True)
            entry.source = file
            entry.n_cells = None if file.annotation is None else file.annotation.n_cells
            if file.path not in known:
                self._entries.append(entry)
        self._tell()

    def _on_failed(self, failure: object) -> None:
        self.is_reading = False
        self.failed.emit(failure)
        self.changed.emit()

    def _on_layer_event(self, event: Any) -> None:
        if event.type == "name":
            self.changed.emit()

    def _refresh(self, *_: object) -> None:
        """Follow the layers of the viewer, and count their cells in a worker."""
        viewer = self._viewer()
        if viewer is None:
            return
        known = {id(entry.source): entry for entry in self._entries}
        layers = [layer for layer in viewer.layers if is_image(layer)]
        made = [known.get(id(layer)) or _Entry(next(self._keys), layer, is_checked=False) for layer in layers]
        self._entries = made + [entry for entry in self._entries if isinstance(entry.source, TrainingFile)]
        painted = {entry.key: _annotation_of(viewer, entry.source) for entry in made}
        pixels = {key: level_zero(layer) for key, layer in painted.items() if layer is not None}
        for entry in made:
            entry.n_cells = entry.n_cells if entry.key in pixels else None
        self._counts.submit(lambda: {key: _count_cells(array) for key, array in pixels.items()})
        self._tell()

    def _on_counts(self, counts: dict[int, int]) -> None:
        for entry in self._entries:
            entry.n_cells = counts.get(entry.key, entry.n_cells)
        self.changed.emit()

    def _tell(self) -> None:
        self.changed.emit()
        self.chosen.emit()


def _is_drawn(source: Image | TrainingFile) -> bool:
    return isinstance(source, TrainingFile) and source.diameter is not None


def _annotation_of(viewer: ViewerModel, layer: Image) -> Labels | None:
    found = find_layer(viewer, layer, "annotation")
    return found if isinstance(found, Labels) else None


def _of_layer(
    viewer: ViewerModel, layer: Image, channels: Sequence[int] | None, with_labels: bool, ndim: int
) -> Example:
    labels = _annotation_of(viewer, layer) if with_labels else None
    painted = None if labels is None else painting_source(viewer, layer, labels, ndim=ndim)
    return Example(image_source(layer, channels, ndim).read, painted)


def _of_file(file: TrainingFile, channels: Sequence[int] | None, with_labels: bool, ndim: int) -> Example:
    image, annotation = (file if ndim == 3 else file.sliced()).image, file.annotation if with_labels else None
    if channels is not None:
        image = replace(image, frames=image.frames[:, list(channels)])
    return Example(lambda: image, None if annotation is None else lambda: annotation, diameter=file.diameter)


def _n_channels(source: Image | TrainingFile) -> int:
    return source.image.n_channels if isinstance(source, TrainingFile) else image_source(source).n_channels


def _count_cells(painted: Any) -> int:
    """Count the painted cells of all frames."""
    array = np.asarray(painted)
    frames = array.reshape(-1, *array.shape[-2:])
    return sum(int((np.unique(frame[frame > BACKGROUND_ID])).size) for frame in frames)
