"""Widgets whose words fit, whatever the font: they wrap, move to another line, or say how much room they need."""

from collections.abc import Callable, Sequence

from qtpy.QtCore import QEvent, QObject, QSize
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QScrollArea, QTableView, QWidget

FONT_EVENTS = (QEvent.Type.FontChange, QEvent.Type.StyleChange, QEvent.Type.Polish)
CHARACTERS = 65
"""Width that a dock would like to have, in average characters."""
ROW_PADDING = 7
SHARE = 0.42
"""Of the width of the screen: what a dock takes at most; beyond, it scrolls."""


class Note(QLabel):
    """Text that wraps, and is always as high as it needs; at least some lines, so that what is below stays in place."""

    def __init__(self, text: str = "", n_lines: int = 0, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self._n_lines, self._fitted = n_lines, ("", 0, "")
        self.setWordWrap(True)
        follow_font(self, self.fit)

    def setText(self, text: str) -> None:
        """Show another text."""
        super().setText(text)
        self.fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Take the height that the text has at another width."""
        super().resizeEvent(event)
        self.fit()

    def sizeHint(self) -> QSize:
        """Return the height at the width that it has, where Qt would guess one and leave a gap."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    def fit(self) -> None:
        """Ask for the height of the text as it is now."""
        now = (self.text(), self.width(), self.font().key())
        if now == self._fitted:  # asking again would lay out everything around it again
            return
        self._fitted = now
        least = self._n_lines * self.fontMetrics().lineSpacing()
        # A form forgets how high the text of a row is that was hidden for a while, and cuts it off. The height asked
        # for is never less than the least one, so that has to go first.
        self.setMinimumHeight(0)
        self.setMinimumHeight(max(least, self.heightForWidth(self.width())))


class Row(QWidget):
    """Widgets side by side; where they do not fit, in as many lines as they need.

    Parameters
    ----------
    most : int, optional
        How many may be in a line.
    is_even : bool
        Whether all of them are equally wide.
    """

    def __init__(
        self,
        widgets: Sequence[QWidget],
        *,
        most: int | None = None,
        is_even: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._widgets, self._most, self._is_even = tuple(widgets), most or len(widgets), is_even
        self._arranged: tuple[int, list[QWidget]] = (0, [])
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSizeConstraint(QGridLayout.SizeConstraint.SetNoConstraint)
        self._arrange(self._most, list(self._widgets))

    def minimumSizeHint(self) -> QSize:
        """Return the width of the widest widget, and the height of the lines as they are."""
        widths = [self._needed(widget) for widget in self._shown()]
        return QSize(max(widths, default=0), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Take as many lines as are needed now."""
        super().resizeEvent(event)
        self._fit()

    def event(self, event: QEvent) -> bool:
        """Hear of widgets that come, go, or have other words."""
        handled: bool = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return handled

    def _shown(self) -> list[QWidget]:
        return [widget for widget in self._widgets if not widget.isHidden()]

    def _needed(self, widget: QWidget) -> int:
        place = self._grid.indexOf(widget)
        return int(self._grid.itemAt(place).minimumSize().width()) if place >= 0 else 0

    def _fit(self) -> None:
        shown = self._shown()
        possible = range(min(self._most, len(shown)), 1, -1)
        n = next((n for n in possible if self._width(shown, n) <= self.width()), 1)
        if (n, shown) != self._arranged:
            self._arrange(n, shown)

    def _width(self, shown: list[QWidget], n: int) -> int:
        """Return the width of a grid of n columns."""
        columns = [max(self._needed(widget) for widget in shown[column::n]) for column in range(n)]
        total = n * max(columns) if self._is_even else sum(columns)
        return total + (n - 1) * max(0, self._grid.horizontalSpacing())

    def _arrange(self, n: int, shown: list[QWidget]) -> None:
        self._arranged = (n, shown)
        hidden = [widget for widget in self._widgets if widget not in shown]
        for place, widget in enumerate((*shown, *hidden)):
            self._grid.addWidget(widget, *divmod(place, max(1, n)))
        for column in range(len(self._widgets)):
            self._grid.setColumnStretch(column, int(self._is_even and column < n))
        self.updateGeometry()


class Panels(QScrollArea):
    """Scrolls panels up and down; sideways too, but only where the screen has no room for their words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)

    def setWidget(self, widget: QWidget) -> None:
        """Show a widget, and follow how much room it needs."""
        super().setWidget(widget)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask for another width when the panels need it."""
        if watched is self.widget() and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        handled: bool = super().eventFilter(watched, event)
        return handled

    def minimumSizeHint(self) -> QSize:
        """Return the width that all words need, as far as the screen has it."""
        return QSize(min(self._needed(), self._most()), super().minimumSizeHint().height())

    def sizeHint(self) -> QSize:
        """Return a comfortable width, as far as the screen has it."""
        liked = CHARACTERS * self.fontMetrics().averageCharWidth()
        return QSize(min(max(self._needed(), liked), self._most()), super().sizeHint().height())

    def _needed(self) -> int:
        inside = self.widget()
        if inside is None:
            return 0
        bar = self.verticalScrollBar().sizeHint().width()
        return int(inside.minimumSizeHint().width() + bar + 2 * self.frameWidth())

    def _most(self) -> int:
        return round(SHARE * self.screen().availableGeometry().width())


def follow_font(widget: QWidget, fit: Callable[[], object]) -> None:
    """Fit a widget to its font, now and whenever it gets another one."""
    fit()
    widget.installEventFilter(_FontFollower(widget, fit))


def narrow(combo: QComboBox, n_characters: int = 10) -> None:
    """Let a choice be narrower than the longest of its texts, which its list shows in full."""
    combo.setMinimumContentsLength(n_characters)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)


def show_rows(table: QTableView, n: int) -> None:
    """Make the rows of a table as high as its font, and the table at least some of them."""

    def fit() -> None:
        height = table.fontMetrics().height() + ROW_PADDING
        table.verticalHeader().setDefaultSectionSize(height)
        table.setMinimumHeight(n * height)

    follow_font(table, fit)


class _FontFollower(QObject):
    def __init__(self, widget: QWidget, fit: Callable[[], object]) -> None:
        super().__init__(widget)
        self._fit = fit

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in FONT_EVENTS:
            self._fit()
        handled: bool = super().eventFilter(watched, event)
        return handled
