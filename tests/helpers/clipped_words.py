"""Finds words in a window that are cut off, so that nobody has to look for them in pictures."""

from qtpy.QtCore import QRect, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QScrollArea,
    QStyle,
    QStyleOptionComboBox,
    QTabBar,
    QWidget,
)

KINDS = (QAbstractButton, QAbstractSpinBox, QComboBox, QLabel)


def clipped_words(root: QWidget) -> list[str]:
    """List the visible labels, buttons, ticks, choices and values below a widget of which a part cannot be seen.

    What a scroll area can bring into view counts as seen.
    """
    found = []
    for widget in root.findChildren(QWidget):
        if isinstance(widget, QHeaderView) and widget.isVisibleTo(root):
            found += _clipped_titles(widget)
        if isinstance(widget, KINDS) and widget.isVisibleTo(root) and _text(widget):
            why = _too_small(widget) or _outside(widget, root)
            if why:
                name = widget.objectName() or type(widget).__name__
                found.append(f"{name} '{_text(widget)}': {why}")
    return found


def clipped_tabs(bar: QTabBar) -> list[str]:
    """List the titles of tabs that are shortened."""
    advance = bar.fontMetrics().horizontalAdvance
    titles = [bar.tabText(i).replace("&&", "&") for i in range(bar.count())]
    return [title for i, title in enumerate(titles) if advance(title) > bar.tabRect(i).width()]


def _clipped_titles(header: QHeaderView) -> list[str]:
    if header.orientation() != Qt.Orientation.Horizontal:
        return []
    shown = [i for i in range(header.count()) if not header.isSectionHidden(i)]
    titles = {i: str(header.model().headerData(i, header.orientation()) or "") for i in shown}
    advance = header.fontMetrics().horizontalAdvance
    return [f"column '{title}'" for i, title in titles.items() if advance(title) > header.sectionSize(i)]


def _text(widget) -> str:
    if isinstance(widget, QComboBox):
        return widget.currentText()
    return widget.text()


def _too_small(widget) -> str:
    if isinstance(widget, QComboBox):
        return _wider(widget, widget.currentText(), _field_of(widget))
    if isinstance(widget, QAbstractSpinBox):
        line = widget.findChild(QLineEdit)
        return _wider(line, line.text(), line.contentsRect().width())
    if isinstance(widget, QLabel) and widget.wordWrap():
        needed, has = widget.heightForWidth(widget.width()), widget.height()
        if needed > has:
            return f"its lines need {needed} px of height and have {has}"
        needed, has = widget.minimumSizeHint().width(), widget.width()
    else:
        needed, has = widget.sizeHint().width(), widget.width()
        if widget.sizeHint().height() > widget.height() + 1:
            return f"it needs {widget.sizeHint().height()} px of height and has {widget.height()}"
    return f"it needs {needed} px and has {has}" if needed > has else ""


def _wider(widget, text: str, has: int) -> str:
    needed = widget.fontMetrics().horizontalAdvance(text)
    return f"its text needs {needed} px and has {has}" if needed > has else ""


def _field_of(combo: QComboBox) -> int:
    option = QStyleOptionComboBox()
    combo.initStyleOption(option)
    part = QStyle.SubControl.SC_ComboBoxEditField
    return combo.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, combo).width()


def _outside(widget: QWidget, root: QWidget) -> str:
    """Say by which widget around it a widget is cut, up to the contents of the scroll area."""
    around = widget.parentWidget()
    while around is not None and around is not root.parentWidget():
        rect = QRect(widget.mapTo(around, widget.rect().topLeft()), widget.size())
        if not around.rect().contains(rect):
            return f"it lies at {rect.getRect()} in a {type(around).__name__} of {around.width()} × {around.height()}"
        outer = around.parentWidget()
        area = None if outer is None else outer.parentWidget()
        if isinstance(area, QScrollArea):
            never = area.horizontalScrollBarPolicy() == Qt.ScrollBarPolicy.ScrollBarAlwaysOff
            if never and rect.right() >= outer.width():
                return f"it ends at {rect.right()}, and cannot be scrolled to beyond {outer.width()}"
            return ""
        around = outer
    return ""
