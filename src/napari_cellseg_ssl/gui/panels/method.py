"""Stage 2: which method, how thoroughly, and where it runs."""

import contextlib
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QToolButton, QVBoxLayout, QWidget

from napari_cellseg_ssl.core.devices import DEVICE_NAMES
from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.core.methods.base import MethodInfo, get_method, method_infos
from napari_cellseg_ssl.core.options import Json, options_from_json
from napari_cellseg_ssl.gui.panels.starters import StartersBox
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.views.mask_preview import MaskPreview
from napari_cellseg_ssl.gui.widgets.config_form import ConfigForm
from napari_cellseg_ssl.gui.widgets.stage import Stage, button, discard, note, row
from napari_cellseg_ssl.tasks.pipelines import REFERENCE
from napari_cellseg_ssl.tasks.session.advance import Controls, SessionState

PRESET_TIPS = {
    "fast": "Enough for most images on a laptop.",
    "balanced": "Slower and better; comfortable with a GPU.",
    "paper": "The published settings; meant for a GPU.",
}
LIKE_THE_CELLS = "Are they like the cells? The result will be."


class MethodPanel(Stage):
    """Choose method, preset and device; all options are one click away."""

    options_changed = Signal()

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__("2  Method", parent)
        self._controller = controller
        self.method = _combo("cellseg_method", "How cells are found.")
        for info in method_infos():
            self.method.addItem(info.title, info.id)
        self._summary = note()
        self.preset = _combo("cellseg_preset", "Ready-made settings.")
        self.device = _combo("cellseg_device", "Where the network runs. 'auto' takes a GPU if there is one.")
        self.device.addItems(list(DEVICE_NAMES))
        self.form.addRow("Method", self.method)
        self.form.addRow(self._summary)
        self.form.addRow("Preset", self.preset)
        self.form.addRow("Device", self.device)
        self._build_masks()
        self._build_options()
        self.starters = StartersBox(controller)
        self.form.addRow(self.starters)
        self.method.currentIndexChanged.connect(self._on_method)
        self.method.activated.connect(lambda *_: controller.choose_method(self.info.id, again=True))
        self.preset.currentTextChanged.connect(self._on_preset)
        self.device.currentTextChanged.connect(self._on_device)
        controller.choices.image_changed.connect(self._on_image)
        self._form: ConfigForm | None = None
        if controller.state.method_id:
            self.method.setCurrentIndex(self.method.findData(controller.state.method_id))
        self._on_method()

    @property
    def info(self) -> MethodInfo:
        """The chosen method."""
        return get_method(str(self.method.currentData())).info

    def options(self) -> Any:
        """Training options as shown."""
        return self._of_preset(self.preset.currentText()) if self._form is None else self._form.value()

    def put_back(self, preset: str, options: Json) -> None:
        """Show a preset and options that were chosen before, as far as this version knows them."""
        self.preset.setCurrentText(preset)
        if self._form is not None and isinstance(options, dict):
            with contextlib.suppress(CellSegError):
                self._form.set_value(options_from_json(self.info.train_options, options))
                self.options_changed.emit()

    def render(self, controls: Controls, state: SessionState) -> None:
        """Show what may be chosen, and the method that an opened run brought along."""
        for widget in (self.method, self.preset, self.device, self.show_masks, self._options):
            widget.setEnabled(controls.can_choose)
        self.starters.render(controls, state)
        if state.method_id and state.method_id != self.method.currentData():
            self.method.setCurrentIndex(self.method.findData(state.method_id))

    def _build_masks(self) -> None:
        self._masks = MaskPreview(self._controller, self.options, self)
        self.show_masks = QCheckBox("show a mask like those it draws")
        self.show_masks.setObjectName("cellseg_show_masks")
        self.show_masks.setToolTip(
            "To the right of the image. Its objects should be about as large, and as close together, as the cells; "
            "if not, change the object size, or Size variation and Covered area under Advanced options."
        )
        self.show_masks.setChecked(True)
        self.show_masks.toggled.connect(self._masks.want)
        self._mask_note = note()
        self._mask_note.setObjectName("cellseg_mask_note")
        self._masks.described.connect(self._tell_mask)
        self.form.addRow(self.show_masks)
        self.form.addRow(self._mask_note)

    def _tell_mask(self, text: str) -> None:
        self.tell(self._mask_note, f"{text} {LIKE_THE_CELLS}" if text else "")

    def _build_options(self) -> None:
        self._toggle = QToolButton()
        self._toggle.setText("Advanced options ▸")
        self._toggle.setObjectName("cellseg_advanced")
        self._toggle.setToolTip("Settings of the method.")
        self._toggle.setCheckable(True)
        self._toggle.toggled.connect(self._on_toggle)
        self._options = QWidget()
        self._options.setVisible(False)
        layout = QVBoxLayout(self._options)
        layout.setContentsMargins(0, 0, 0, 0)
        self._restore = button(
            "Restore defaults", "cellseg_restore", "Take the settings of the preset again.", self._on_preset
        )
        self._all = QCheckBox("all settings")
        self._all.setObjectName("cellseg_all_options")
        self._all.setToolTip("Also those that the presets set well, and that hardly anybody should change.")
        self._all.toggled.connect(lambda shown: self._form.show_all(shown) if self._form is not None else None)
        layout.addWidget(row(self._restore, self._all))
        self.form.addRow(self._toggle)
        self.form.addRow(self._options)

    def _on_method(self, *_: object) -> None:
        info = self.info
        self._summary.setText(f"{info.summary}" + (f"<br><i>{info.citation}</i>" if info.citation else ""))
        with QSignalBlocker(self.preset):
            self.preset.clear()
            self.preset.addItems(list(info.presets))
        if self._form is not None:
            discard(self._form)
        self._form = ConfigForm(info.train_options, all_rows=self._all.isChecked())
        self._form.changed.connect(self._masks.refresh)
        self._form.changed.connect(lambda *_: self.options_changed.emit())
        self._options.layout().insertWidget(0, self._form)
        self._show_preset()
        learns = info.id != REFERENCE
        for widget in (self.preset, self.device, self._toggle):
            self.form.setRowVisible(widget, learns)
        self.form.setRowVisible(self._options, learns and self._toggle.isChecked())
        self._controller.choose_method(info.id)
        self.form.setRowVisible(self.show_masks, self._masks.is_offered)

    def _on_preset(self, *_: object) -> None:
        self._show_preset()
        self.options_changed.emit()

    def _show_preset(self) -> None:
        name = self.preset.currentText()
        self._preset_ndim = self._controller.choices.spatial_ndim
        self.preset.setToolTip(PRESET_TIPS.get(name, "Ready-made settings."))
        if self._form is not None:
            self._form.set_value(self._of_preset(name))
        self._masks.refresh()

    def _of_preset(self, name: str) -> Any:
        return self.info.preset(name, ndim=self._controller.choices.spatial_ndim)

    def _on_image(self, *_: object) -> None:
        """Take the preset for volumes once the image is one, and back."""
        if self._controller.choices.spatial_ndim != self._preset_ndim:
            self._on_preset()

    def _on_device(self, name: str) -> None:
        self._controller.device = name

    def _on_toggle(self, is_open: bool) -> None:
        self._toggle.setText("Advanced options ▾" if is_open else "Advanced options ▸")
        self.form.setRowVisible(self._options, is_open)


def _combo(name: str, tip: str) -> QComboBox:
    combo = QComboBox()
    combo.setObjectName(name)
    combo.setToolTip(tip)
    return combo
