"""The panel that writes results to files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QLineEdit, QSizePolicy, QWidget

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.errors import CellSegError, reason
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.layers.layout import level_zero
from napari_cellseg_ssl.gui.layers.tags import KEY, is_labels
from napari_cellseg_ssl.gui.panels.result_combo import ResultCombo
from napari_cellseg_ssl.gui.session import consent
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.session.folders import folder_of, last_folder, remember_folder
from napari_cellseg_ssl.gui.session.image_source import ImageSource, image_source
from napari_cellseg_ssl.gui.views.score_features import scores_in
from napari_cellseg_ssl.gui.widgets.stage import Stage, button, note, row
from napari_cellseg_ssl.tasks import Control, ExportRequest, FileWritten, export
from napari_cellseg_ssl.tasks import messages as tasks_messages
from napari_cellseg_ssl.tasks.export import measured, target_files
from napari_cellseg_ssl.tasks.session.advance import Began, Ended, Failed

REPLACE, OTHER_FOLDER = "Replace", "Choose another folder …"
FORBIDDEN_IN_NAMES = '<>:"/\\|?*'


@dataclass(frozen=True)
class Measured:
    """Measurements of the exported labels, one row per instance and frame."""

    table: dict[str, Array]


class ExportPanel(Stage):
    """Choose what to write and where; the writing is a job of the controller."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__("Export", parent)
        self._controller = controller
        self._measured_layer: Labels | None = None
        self._written: list[Path] | None = None
        self._build()
        self._suggest_folder()
        controller.image_changed.connect(self._suggest_folder)
        controller.happened.connect(self._on_event)

    def _build(self) -> None:
        self.labels = ResultCombo(self._controller, is_labels)
        self.labels.setObjectName("cellseg_export_labels")
        self.labels.setToolTip("What is written and measured; the newest result is chosen.")
        self.form.addRow("Labels", self.labels)
        self.folder = QLineEdit()
        self.folder.setObjectName("cellseg_export_folder")
        self.folder.setToolTip("Where the files are written: beside the image, unless you choose another folder.")
        self.folder.textEdited.connect(self._on_folder)
        self._is_folder_chosen = False
        browse = button("…", "", "Choose the folder.", self._browse)
        browse.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.form.addRow("Folder", row(self.folder, browse))
        self.format = QComboBox()
        self.format.setObjectName("cellseg_export_format")
        self.format.setToolTip("Of labels and maps. OME-Zarr keeps large images in pieces that are quick to browse.")
        for text, value in (("TIFF", "tiff"), ("OME-Zarr", "ome-zarr")):
            self.format.addItem(text, value)
        self.form.addRow("Format", self.format)
        self.maps = self._tick("Maps (float32)", "cellseg_export_maps", "What the network predicted.")
        self.roi = self._tick("ImageJ ROIs (zip)", "cellseg_export_roi", "One outline per cell, for the ROI manager.")
        self.coco = self._tick(
            "COCO masks (JSON)", "cellseg_export_coco", "Run lengths, for programs that learn from cells or score them."
        )
        self.table = self._tick(
            "Measurements (CSV)",
            "cellseg_export_measure",
            "Area, shape and intensity of every cell, in µm where the pixel size is known; also the layer's features.",
        )
        self.table.setChecked(True)
        for tick in (self.table, self.roi, self.coco, self.maps):
            self.form.addRow(tick)
        tip = "Write the labels, 16 or 32 bit as the ids need, and what is ticked."
        self.button = button("Export", "cellseg_export", tip, self.export)
        self.form.addRow(self.button)
        self.message = note()
        self.message.setObjectName("cellseg_export_message")
        self.form.addRow(self.message)

    def _tick(self, text: str, name: str, tip: str) -> QCheckBox:
        tick = QCheckBox(text)
        tick.setObjectName(name)
        tick.setToolTip(tip)
        return tick

    def export(self) -> None:
        """Start writing."""
        image, labels = self._controller.image_layer, self.labels.layer
        if image is None or labels is None:
            self.message.setText(messages.choose_image_and_labels())
            return
        try:
            source = image_source(image, ndim=self._controller.choices.ndim)
            frames = _frames(labels, source)
        except CellSegError as problem:
            self.message.setText(str(problem))
            return
        folder = self._agreed_folder(source.name)
        if folder is None:
            return
        remember_folder(folder)
        request = partial(
            ExportRequest,
            folder=folder,
            labels=frames,
            scores=scores_in(labels) if len(frames) == 1 else (),
            metadata=_origin(labels),
            overwrite=True,  # what would be replaced has been asked about
            **self._wanted(),
        )
        if self._controller.run(lambda control: write_results(source, request, control)):
            self._measured_layer, self._written = labels, []
            self.message.setText("Writing …")
        else:
            self.message.setText(messages.another_job_runs())

    def _wanted(self) -> dict[str, Any]:
        """Say what is to be written beside the labels, and how."""
        return {
            "maps": self._controller.maps if self.maps.isChecked() else None,
            "file_format": self.format.currentData(),
            "roi": self.roi.isChecked(),
            "coco": self.coco.isChecked(),
            "measure": self.table.isChecked(),
        }

    def _agreed_folder(self, image_name: str) -> Path | None:
        """Return the folder to write into, with the user's consent where files would be replaced; None without it."""
        while True:
            folder = Path(self.folder.text()).expanduser()
            wanted = self._wanted()
            maps = wanted.pop("maps")
            specs = () if maps is None else maps.specs.values()
            files = [file for file in target_files(folder, file_stem(image_name), specs, **wanted) if file.exists()]
            if not files:
                return folder
            answer = consent.ask("Export", _replaced(files, folder), (OTHER_FOLDER, REPLACE))
            if answer == REPLACE:
                return folder
            if answer is None or not self._browse():
                self.message.setText(messages.nothing_written())
                return None

    def _browse(self) -> bool:
        """Let the user choose a folder; False if they do not."""
        folder = QFileDialog.getExistingDirectory(self, "Folder for the results", self.folder.text())
        if folder:
            self.folder.setText(folder)
            self._on_folder()
        return bool(folder)

    def _on_folder(self, *_: object) -> None:
        self._is_folder_chosen = True

    def _suggest_folder(self, *_: object) -> None:
        """Suggest the folder of the image's file, else the last one, unless the user has chosen one."""
        if not self._is_folder_chosen:
            image = self._controller.image_layer
            own = None if image is None else folder_of(image)
            self.folder.setText(str(own or last_folder() or Path.home()))

    def _on_event(self, event: object) -> None:
        """Follow the export, and no other job."""
        if self._written is None:
            return
        match event:
            case FileWritten(path):
                self._written.append(path)
            case Measured(table):
                _set_features(self._measured_layer, table)
            case Failed(message, hint):
                self.message.setText(f"{message} {hint}".strip())
                self._written = None
            case Ended():
                names = ", ".join(path.name for path in self._written)
                self.message.setText(messages.wrote(names, self.folder.text()) if names else messages.nothing_written())
                self._written = None


def write_results(
    source: ImageSource, complete_request: Callable[..., ExportRequest], control: Control
) -> Iterator[object]:
    """Read the image, write the files, and measure for the features table; a job for the controller.

    Parameters
    ----------
    complete_request : (image=ImageStack) -> ExportRequest
        The image may be lazy, so it is read here.

    Raises
    ------
    WrongAnnotation
        If the folder cannot be made.
    """
    yield Began("exporting")
    image = source.read()
    image = replace(image, name=file_stem(image.name))
    request = complete_request(image=image)
    try:
        request.folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise tasks_messages.folder_not_made(request.folder, reason(problem)) from problem
    yield from export(request, control)
    if request.measure and request.labels is not None and not control.should_stop():
        yield Measured(measured(request))


def file_stem(name: str) -> str:
    """Return the name of an image as its files may be called."""
    return "".join("_" if c in FORBIDDEN_IN_NAMES else c for c in name)


def _replaced(files: Sequence[Path], folder: Path) -> str:
    return messages.would_be_replaced([file.name for file in files], folder)


def _frames(labels: Labels, source: ImageSource) -> Array:
    """Copy labels as (N, *S) of the image.

    Raises
    ------
    WrongAnnotation
        If they are of another shape.
    """
    layout = source.layout
    array = np.array(level_zero(labels))
    if array.size != np.prod(layout.derived_shape) or array.shape[-2:] != layout.derived_shape[-2:]:
        raise messages.labels_of_another_shape(labels.name, array.shape, source.name, layout.derived_shape)
    return layout.gather(array.reshape(layout.derived_shape))


def _origin(layer: Labels) -> dict[str, str]:
    tag = layer.metadata.get(KEY, {})
    return {name: str(tag[name]) for name in ("method", "bundle", "version") if tag.get(name)}


def _set_features(layer: Labels | None, table: dict[str, Array]) -> None:
    """Make measurements the layer's features; napari wants the id of a label in a column "index"."""
    if layer is not None:
        layer.features = {"index": table["label"], **table}
