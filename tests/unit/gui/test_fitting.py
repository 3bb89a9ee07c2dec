"""The docks as they are opened from the menu, in a window of a laptop, at every font size that napari is used with."""

from dataclasses import replace
from pathlib import Path

import pytest
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication, QDockWidget, QPushButton, QTabBar, QWidget

from clipped_words import clipped_tabs, clipped_words
from drawings import disks, painting, picture
from napari_cellseg_ssl.core.methods.base import method_infos
from napari_cellseg_ssl.gui.panels.score import ScorePanel
from napari_cellseg_ssl.gui.session.controller import controller_of
from napari_cellseg_ssl.gui.widgets.fitting import Note, Row
from napari_cellseg_ssl.tasks.session.advance import Failed, VersionsFound
from napari_cellseg_ssl.tasks.session.versions import Version

SIZE = (1366, 768)
POINTS = (9, 12, 16)
DOCKS = {"train_segment": "Train & segment", "paint_labels": "Paint labels", "score_export": "Score & export"}
AT_REST_MS = 60
VERSION = Version(
    folder=Path(),
    number=1,
    when="2026-01-02T12:34:56",
    origin="learned",
    name="actis nuclei_3",
    method_id="actis",
    n_cells=104,
    score=0.78,
    weights="",
    labels={},
)


class Laptop:
    """A window of 1366 × 768 with the docks opened from the menu."""

    def __init__(self, viewer, qtbot):
        self.viewer, self.qtbot = viewer, qtbot
        self.window.resize(*SIZE)

    @property
    def window(self):
        return self.viewer.window._qt_window

    def open(self, *names):
        """Open docks as the menu does."""
        from napari._app_model import get_app_model

        for name in names:
            get_app_model().commands.execute_command(f"napari-cellseg-ssl.{name}").result()
            self.rest()

    def set_font(self, points):
        from napari.settings import get_settings

        get_settings().appearance.font_size = points
        self.rest()

    def rest(self):
        """Wait until nothing is laid out any more."""
        watch = LayoutWatch()
        QApplication.instance().installEventFilter(watch)
        try:
            self.qtbot.waitUntil(lambda: watch.is_at_rest(self.qtbot), timeout=20_000)
        finally:
            QApplication.instance().removeEventFilter(watch)

    def dock(self, name):
        title = DOCKS[name]
        return next(dock for dock in self.window.findChildren(QDockWidget) if dock.objectName().startswith(title))

    def inner(self, name):
        return self.dock(name).widget()

    def fill(self):
        """Show as much as there can be: options, scores, versions, a failure."""
        for toggle in ("cellseg_more", "cellseg_advanced"):
            self.inner("train_segment").findChild(QWidget, toggle).setChecked(True)
        panel = self.inner("score_export").findChild(ScorePanel)
        panel.truth.choose(self.viewer.layers["nuclei_3 · annotation"])
        panel.prediction.choose(self.viewer.layers["nuclei_3 · truth"])
        panel.button.click()
        self.qtbot.waitUntil(lambda: panel.objects.isVisibleTo(panel), timeout=20_000)
        controller = controller_of(self.viewer)
        controller.apply(VersionsFound((VERSION, replace(VERSION, number=12, origin="opened"))))
        controller.apply(Failed("The image does not fit into memory.", "Use a part of it, or a smaller object size."))
        self.rest()

    def raise_(self, name):
        self.dock(name).raise_()
        self.rest()
        return self.inner(name)

    def tabs(self):
        bars = [bar for bar in self.window.findChildren(QTabBar) if bar.isVisible() and bar.count() > 1]
        assert len(bars) == 1
        return bars[0]


class LayoutWatch(QObject):
    """Counts what is laid out and resized."""

    n = 0

    def eventFilter(self, _watched, event):
        self.n += event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize)
        return False

    def is_at_rest(self, qtbot):
        before = self.n
        qtbot.wait(AT_REST_MS)
        return self.n == before


@pytest.fixture
def laptop(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    labels = disks((128, 128))
    viewer.add_image(picture(labels), name="nuclei_3")
    viewer.add_labels(painting(labels, 8), name="nuclei_3 · annotation")
    viewer.add_labels(labels, name="nuclei_3 · truth")
    laptop = Laptop(viewer, qtbot)
    yield laptop
    controller = controller_of(viewer)
    qtbot.waitUntil(lambda: not controller.choices.is_busy, timeout=20_000)


def test_docks_opened_from_the_menu_come_as_tabs_the_last_one_in_front(laptop):
    laptop.open("train_segment")
    for name in ("paint_labels", "score_export"):
        laptop.open(name)
        assert laptop.tabs().tabText(laptop.tabs().currentIndex()).replace("&&", "&") == DOCKS[name]

    assert laptop.tabs().count() == 3
    assert laptop.inner("score_export").height() > 0.75 * SIZE[1]
    assert laptop.window.width() == SIZE[0]
    assert laptop.window.height() == SIZE[1]


def test_a_dock_that_was_hidden_comes_back_to_its_tab_and_in_front(laptop):
    laptop.open(*DOCKS)
    laptop.dock("paint_labels").hide()
    laptop.rest()
    assert laptop.tabs().count() == 2

    laptop.open("paint_labels")

    assert laptop.tabs().tabText(laptop.tabs().currentIndex()) == "Paint labels"


def test_a_dock_stays_where_the_user_has_put_it(laptop):
    laptop.open("train_segment", "paint_labels")
    laptop.dock("paint_labels").setFloating(True)
    laptop.rest()

    laptop.open("score_export")

    assert laptop.dock("paint_labels").isFloating()
    assert laptop.tabs().count() == 2


@pytest.mark.parametrize("points", POINTS)
def test_no_word_is_clipped_and_nothing_has_to_be_scrolled_sideways(laptop, points):
    laptop.open(*DOCKS)
    laptop.set_font(points)
    methods = [info.id for info in method_infos()]
    laptop.fill()

    assert clipped_tabs(laptop.tabs()) == []
    for name in DOCKS:
        dock = laptop.raise_(name)
        for method in methods if name == "train_segment" else methods[:1]:
            controller_of(laptop.viewer).choose_method(method)
            laptop.rest()
            assert clipped_words(dock) == [], (name, method)
            assert dock._area.horizontalScrollBar().maximum() == 0, (name, method)
    assert laptop.window.width() == SIZE[0]
    assert laptop.viewer.window._qt_viewer.canvas.native.width() > 150


def test_what_has_no_room_on_the_screen_scrolls_sideways_instead_of_being_cut(laptop, monkeypatch):
    laptop.open("train_segment")
    area = laptop.inner("train_segment")._area
    monkeypatch.setattr(type(area), "_most", lambda _area: 120)
    area.updateGeometry()
    area.setFixedWidth(120)
    laptop.rest()

    assert area.horizontalScrollBar().maximum() > 0
    assert clipped_words(area) == []


def test_a_row_takes_another_line_where_there_is_no_room_and_forgets_what_is_hidden(qtbot):
    buttons = [QPushButton(text) for text in ("Open run …", "Save run …", "Previous model")]
    row = Row(buttons)
    qtbot.addWidget(row)
    row.resize(600, 100)
    row.show()
    qtbot.waitUntil(lambda: len({button.y() for button in buttons}) == 1)

    row.resize(row.minimumSizeHint().width(), 200)
    qtbot.waitUntil(lambda: len({button.y() for button in buttons}) == 3)
    buttons[2].hide()
    row.resize(buttons[0].sizeHint().width() * 2 + 30, 200)

    qtbot.waitUntil(lambda: len({button.y() for button in buttons[:2]}) == 1)


def test_a_note_is_as_high_as_its_words_at_any_width(qtbot):
    note = Note("Leave the rest: what is not painted is unknown, and nothing is learned from it.", n_lines=2)
    qtbot.addWidget(note)
    note.show()
    for width in (800, 120):
        note.resize(width, 10)
        assert note.minimumHeight() >= note.heightForWidth(width)
    note.setText("")
    assert note.minimumHeight() == 2 * note.fontMetrics().lineSpacing()
