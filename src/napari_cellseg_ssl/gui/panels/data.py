"""Stage 1: which image, and how large its objects are."""

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QPushButton, QSizePolicy, QWidget

from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.gui.layers.layout import axes_choices
from napari_cellseg_ssl.gui.layers.tags import is_image
from napari_cellseg_ssl.gui.panels.more import MoreImagesBox
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.session.image_source import ImageSource
from napari_cellseg_ssl.gui.session.selection import Choices
from napari_cellseg_ssl.gui.views.size_circle import SizeCircle
from napari_cellseg_ssl.gui.widgets.layer_combo import LayerCombo
from napari_cellseg_ssl.gui.widgets.stage import Stage, button, note, row
from napari_cellseg_ssl.tasks.session.advance import Controls

NAMED = 4
"""Most hidden images that are told by name."""
AXIS_NAMES = {"T": "time", "S": "samples", "N": "slices", "C": "channels"}


class DataPanel(Stage):
    """Choose the image, its channels and the size of its objects."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__("1  Image", parent)
        self._controller, choices = controller, controller.choices
        self._circle = SizeCircle(controller, self)
        self._build_image()
        self._build_diameter()
        self.more = MoreImagesBox(choices.more)
        self.form.addRow(self.more)
        self._circle.measured.connect(self._on_measured)
        choices.image_changed.connect(self._on_image)
        choices.method_changed.connect(lambda: self._show_axes(controller.image_layer))
        choices.diameter_changed.connect(self._show_diameter)
        choices.placed.connect(self._on_placed)
        self.image.chosen.connect(choices.choose_image)
        if controller.image_layer is not None:
            self.image.choose(controller.image_layer)
        choices.choose_image(self.image.layer)
        controller.following.looked.connect(self._show_waiting)
        self._on_image(controller.image_layer)
        self._show_waiting()
        self._show_diameter()

    def render(self, controls: Controls) -> None:
        """Show what may be chosen."""
        for widget in (self.image, self.axes, self._diameter_box, self.channels, self.more.body):
            widget.setEnabled(controls.can_choose)

    def _build_image(self) -> None:
        self.image = LayerCombo(self._controller.viewer, is_image)
        self.image.setObjectName("cellseg_image")
        self.image.setToolTip("The image in which cells are to be found; it follows the layer that is selected.")
        self.image.setPlaceholderText("no image open")
        self.pin = QPushButton("Pin")
        self.pin.setObjectName("cellseg_pin")
        self.pin.setToolTip("Stay with this image; otherwise the image of the selected layer is chosen.")
        self.pin.setCheckable(True)
        self.pin.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.pin.setChecked(self._controller.following.is_pinned)
        self.pin.toggled.connect(self._controller.following.pin)
        self._controller.following.pinned.connect(self.pin.setChecked)
        self._waiting = note()
        self._waiting.setObjectName("cellseg_waiting")
        self._described = note()
        self.axes = QComboBox()
        self.axes.setObjectName("cellseg_axes")
        self.axes.setToolTip(
            "What the dimensions of the image mean. Frames and slices are segmented one by one; in 3D, cells are "
            "objects in space. The distance of slices is taken from the layer's scale."
        )
        self.axes.activated.connect(lambda *_: self._controller.choices.choose_axes(self.axes.currentData()))
        self.channels = QLineEdit()
        self.channels.setObjectName("cellseg_channels")
        self.channels.setPlaceholderText("all")
        self.channels.setToolTip("Channels to use, counted from 0 and separated by commas; empty = all.")
        self.channels.editingFinished.connect(self._on_channels)
        self.form.addRow("Image", row(self.image, self.pin))
        self.form.addRow("", self._described)
        self.form.addRow(self._waiting)
        self.form.addRow("Dimensions", self.axes)
        self.form.addRow("Channels", self.channels)

    def _build_diameter(self) -> None:
        self.auto = QCheckBox("estimate")
        self.auto.setObjectName("cellseg_diameter_auto")
        self.auto.setToolTip("Estimate the diameter of the objects from the image.")
        self.auto.setChecked(True)
        self.auto.toggled.connect(self._on_diameter)
        self.diameter = QDoubleSpinBox()
        self.diameter.setObjectName("cellseg_diameter")
        self.diameter.setToolTip("Diameter of a typical object. The yellow circle shows it: drag its corners.")
        self.diameter.setRange(1, 10_000)
        self.diameter.setDecimals(1)
        self.diameter.setSuffix(" px")
        self.diameter.setSpecialValueText("…")
        self.diameter.setKeyboardTracking(False)
        self.diameter.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.diameter.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.diameter.valueChanged.connect(self._on_diameter_typed)
        line = button("Measure", "cellseg_diameter_line", "Draw a line across a typical cell.", self._circle.draw_line)
        self._diameter_box = row(self.diameter, self.auto, line)
        self.form.addRow("Object size", self._diameter_box)
        self._in_um = note()
        self._in_um.setObjectName("cellseg_diameter_um")
        self._in_um.setToolTip("By the scale and the units of the image's layer.")
        self.form.addRow("", self._in_um)

    def _on_image(self, layer: Image | None) -> None:
        self.image.choose(layer)
        self._show_axes(layer)
        source = self._describe()
        self.form.setRowVisible(self.channels, source is not None and source.n_channels > 1)
        with QSignalBlocker(self.channels):
            self.channels.setText(", ".join(map(str, self._controller.choices.channels or ())))

    def _on_placed(self) -> None:
        """Say anew what depends on the scale and the units of the image."""
        self._describe()
        self._show_diameter()

    def _describe(self) -> ImageSource | None:
        """Say how the image is understood, or why it is not; return it as it is understood."""
        try:
            source = self._controller.choices.source()
        except CellSegError as problem:
            self.tell(self._described, str(problem))
            return None
        self.tell(self._described, "" if source is None else source.describe())
        return source

    def _show_axes(self, layer: Image | None) -> None:
        choices = () if layer is None else axes_choices(layer, self._controller.choices.ndim)
        self.form.setRowVisible(self.axes, bool(choices))
        self.axes.clear()
        for axes in choices:
            names = ", ".join(AXIS_NAMES.get(letter, letter.lower()) for letter in axes)
            self.axes.addItem(f"3D: {names}" if "Z" in axes else names, axes)

    def _show_waiting(self) -> None:
        """Say which images are hidden, and how to see them."""
        names = [layer.name for layer in self._controller.following.waiting()]
        said = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        self.tell(
            self._waiting, f"Hidden while you look at this one: {said}. Select an image to see it." if said else ""
        )

    def _on_channels(self) -> None:
        words = self.channels.text().replace(",", " ").split()
        numbers = [int(word) for word in words if word.isdigit()]
        self._controller.choices.choose_channels(tuple(numbers) if numbers else None)

    def _on_diameter(self, *_: object) -> None:
        self._controller.choices.choose_diameter("auto" if self.auto.isChecked() else self.diameter.value())
        self._show_diameter()

    def _on_diameter_typed(self, value: float) -> None:
        with QSignalBlocker(self.auto):
            self.auto.setChecked(False)
        self._on_diameter()

    def _on_measured(self, diameter: float) -> None:
        self.diameter.setValue(diameter)

    def _show_diameter(self) -> None:
        choices = self._controller.choices
        with QSignalBlocker(self.auto), QSignalBlocker(self.diameter):
            self.auto.setChecked(choices.diameter == "auto")
            self.diameter.setValue(choices.shown_diameter or self.diameter.minimum())
        self.tell(self._in_um, _in_um(choices))
        if choices.shown_diameter is not None:
            self._circle.show(choices.shown_diameter)


def _in_um(choices: Choices) -> str:
    """Say how large the objects are in the world; empty where that is not known."""
    try:
        source = choices.source()
    except CellSegError:
        return ""
    length = None if source is None or choices.shown_diameter is None else source.in_um(choices.shown_diameter)
    return "" if length is None else f"{length:.3g} µm"
