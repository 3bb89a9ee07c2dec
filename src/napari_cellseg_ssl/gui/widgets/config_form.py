"""A form generated from an options dataclass with magicgui, and back to a record of it.

Sliders are superqt's: those of magicgui count in whole numbers, so that 0.29 comes back as 0.289999.
"""

from collections.abc import Callable
from typing import Any

from magicgui.widgets import create_widget
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QFormLayout, QLabel, QWidget
from superqt import QLabeledDoubleSlider, QLabeledSlider

from napari_cellseg_ssl.core.options import OptionSpec, option_specs, options_from_json
from napari_cellseg_ssl.gui.widgets.path_field import PathField

WIDEST = 2**31 - 1


class ConfigForm(QWidget):
    """One row per option, with its range, unit and help; `changed` is emitted while a slider is dragged.

    Parameters
    ----------
    options_class : type
        A dataclass made of `option`.
    sliders : bool
        Whether numbers with both limits get a slider.
    all_rows : bool
        Whether options marked as advanced are shown too; `show_all` changes it.
    """

    changed = Signal(object)

    def __init__(
        self, options_class: type, *, sliders: bool = False, all_rows: bool = True, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._class = options_class
        self._fields: dict[str, _Field] = {}
        self._advanced: list[QWidget] = []
        layout = self._layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for spec in option_specs(options_class):
            made = _field(spec, sliders=sliders)
            made.set(spec.default)
            made.signal.connect(self._emit)
            made.widget.setObjectName(f"cellseg_option_{spec.name}")
            made.widget.setToolTip(spec.help)
            label = QLabel(f"{spec.label} ({spec.unit})" if spec.unit else spec.label)
            label.setToolTip(spec.help)
            label.setWordWrap(True)
            layout.addRow(label, made.widget)
            self._fields[spec.name] = made
            if spec.advanced:
                self._advanced.append(made.widget)
        self.show_all(all_rows)

    def show_all(self, shown: bool) -> None:
        """Show the options that hardly anybody should change, or leave them to the preset; their values stay."""
        for widget in self._advanced:
            self._layout.setRowVisible(widget, shown)

    def value(self) -> Any:
        """Return the options as shown."""
        return options_from_json(self._class, {name: made.get() for name, made in self._fields.items()})

    def set_value(self, options: Any) -> None:
        """Show options without emitting `changed`."""
        for name, made in self._fields.items():
            with QSignalBlocker(made.widget):
                made.set(getattr(options, name))

    def _emit(self, *_: object) -> None:
        self.changed.emit(self.value())


class _Field:
    """An editor of one option: how to read it, write it, and hear of it."""

    def __init__(self, widget: QWidget, signal: Any, get: Callable[[], Any], put: Callable[[Any], None]) -> None:
        self.widget, self.signal, self.get, self.set = widget, signal, get, put


def _field(spec: OptionSpec, *, sliders: bool) -> _Field:
    if spec.path:
        path = PathField(spec.path, spec.words)
        return _Field(path, path.changed, path.text, path.setText)
    if sliders and not spec.choices and spec.type in (int, float) and None not in (spec.min, spec.max):
        return _slider(spec)
    made = create_widget(annotation=spec.type, options=_settings(spec))
    native = made.native
    if isinstance(native, QAbstractSpinBox):
        native.setKeyboardTracking(False)  # a half-typed number is nobody's wish
    if isinstance(native, QDoubleSpinBox):
        native.setDecimals(_decimals(made.step))
    return _Field(native, made.changed, made.get_value, lambda value: setattr(made, "value", value))


def _settings(spec: OptionSpec) -> dict[str, Any]:
    """What magicgui is told of an option."""
    if spec.choices:
        return {"choices": list(spec.choices)}
    if spec.type not in (int, float):
        return {}
    usual = max(1, spec.default // 10) if spec.type is int else spec.default / 10 or 0.01
    low, high = (-WIDEST if spec.min is None else spec.min), (WIDEST if spec.max is None else spec.max)
    return {"min": spec.type(low), "max": spec.type(high), "step": spec.type(spec.step or usual)}


def _slider(spec: OptionSpec) -> _Field:
    slider = (QLabeledSlider if spec.type is int else QLabeledDoubleSlider)(Qt.Orientation.Horizontal)
    slider.setRange(spec.type(spec.min), spec.type(spec.max))
    step = spec.step or (1 if spec.type is int else (spec.max - spec.min) / 100)  # type: ignore[operator]
    slider.setSingleStep(spec.type(step))
    if spec.type is float:
        slider.setDecimals(_decimals(step))
    return _Field(slider, slider.valueChanged, lambda: spec.type(slider.value()), slider.setValue)


def _decimals(step: float) -> int:
    """Digits after the point that show a step exactly, at most 8."""
    step = abs(step)
    return next((n for n in range(9) if abs(round(step, n) - step) < 1e-9), 8)
