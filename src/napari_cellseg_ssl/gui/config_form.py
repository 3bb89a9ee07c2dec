"""A form generated from an options dataclass, and back to a record of it."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QLabel, QLineEdit, QSpinBox, QWidget
from superqt import QLabeledDoubleSlider, QLabeledSlider

from napari_cellseg_ssl.core.options import OptionSpec, option_specs, options_from_json
from napari_cellseg_ssl.gui.path_field import PathField

WIDEST = 2**31 - 1


class ConfigForm(QWidget):
    """One row per option, with its range, unit and help; `changed` is emitted while a slider is dragged.

    Parameters
    ----------
    options_class : type
        A dataclass made of `option`.
    sliders : bool
        Whether numbers with both limits get a slider.
    """

    changed = Signal(object)

    def __init__(self, options_class: type, *, sliders: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._class = options_class
        self._fields: dict[str, _Field] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for spec in option_specs(options_class):
            made = _field(spec, sliders=sliders)
            made.widget.setObjectName(f"cellseg_option_{spec.name}")
            made.widget.setToolTip(spec.help)
            made.signal.connect(self._emit)
            label = QLabel(f"{spec.label} ({spec.unit})" if spec.unit else spec.label)
            label.setToolTip(spec.help)
            label.setWordWrap(True)
            layout.addRow(label, made.widget)
            self._fields[spec.name] = made

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
    if spec.choices:
        combo = QComboBox()
        combo.addItems(list(spec.choices))
        made = _Field(combo, combo.currentTextChanged, combo.currentText, combo.setCurrentText)
    elif spec.type is bool:
        check = QCheckBox()
        made = _Field(check, check.toggled, check.isChecked, check.setChecked)
    elif spec.path:
        path = PathField(spec.path, spec.words)
        made = _Field(path, path.changed, path.text, path.setText)
    elif spec.type is str:
        line = QLineEdit()
        made = _Field(line, line.textChanged, line.text, line.setText)
    elif sliders and spec.min is not None and spec.max is not None:
        made = _slider(spec)
    else:
        made = _spin_box(spec)
    made.set(spec.default)
    return made


def _slider(spec: OptionSpec) -> _Field:
    slider = (QLabeledSlider if spec.type is int else QLabeledDoubleSlider)(Qt.Orientation.Horizontal)
    slider.setRange(spec.type(spec.min), spec.type(spec.max))
    step = spec.step or (1 if spec.type is int else (spec.max - spec.min) / 100)  # type: ignore[operator]
    slider.setSingleStep(spec.type(step))
    if spec.type is float:
        slider.setDecimals(_decimals(step))
    return _Field(slider, slider.valueChanged, lambda: spec.type(slider.value()), slider.setValue)


def _spin_box(spec: OptionSpec) -> _Field:
    box = QSpinBox() if spec.type is int else QDoubleSpinBox()
    if isinstance(box, QDoubleSpinBox):
        box.setDecimals(_decimals(spec.step or (spec.default / 10 if spec.default else 0.01)))
    low = -WIDEST if spec.min is None else spec.min
    high = WIDEST if spec.max is None else spec.max
    box.setRange(spec.type(low), spec.type(high))
    box.setSingleStep(spec.type(spec.step or max(1, spec.default // 10) if spec.type is int else spec.step or 0.1))
    box.setKeyboardTracking(False)
    return _Field(box, box.valueChanged, box.value, box.setValue)


def _decimals(step: float) -> int:
    """Digits after the point that show a step exactly, at most 8."""
    step = abs(step)
    return next((n for n in range(9) if abs(round(step, n) - step) < 1e-9), 8)
