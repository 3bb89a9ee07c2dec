"""From a comparison to its errors: the table of objects, the layer, and the way from one to the next."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QWidget

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.annotate.painting import new_annotation
from napari_cellseg_ssl.gui.layers.outputs import show_labels
from napari_cellseg_ssl.gui.panels.score import ScorePanel
from napari_cellseg_ssl.gui.panels.train import is_annotation
from napari_cellseg_ssl.gui.session.controller import controller_of
from napari_cellseg_ssl.gui.views.object_table import ObjectTable
from napari_cellseg_ssl.gui.views.scoring import BOTH, EXTRA, MISSED, scored


def _truth():
    cells = np.zeros((60, 90), np.int32)
    cells[5:15, 5:15], cells[25:35, 40:50], cells[45:55, 70:80] = 3, 4, 5
    return cells


def _prediction():
    """The first cell, half of the second, nothing of the third, and one that is none."""
    found = np.zeros((60, 90), np.int32)
    found[5:15, 5:15], found[25:30, 40:50], found[5:10, 70:80] = 1, 2, 6
    return found


def test_objects_are_listed_with_errors_first_and_errors_are_drawn():
    result = scored(Annotation.from_dense(_truth()), _prediction()[None])

    listed = [(one.match.verdict, one.match.truth_id, one.match.prediction_id) for one in result.objects]
    assert listed == [("missed", 5, 0), ("missed", 4, 2), ("extra", 0, 2), ("extra", 0, 6), ("found", 3, 1)]
    assert [one.area for one in result.objects] == [100, 100, 50, 50, 100]
    assert result.objects[0].centre == (49.5, 74.5)
    assert result.objects[3].centre == (7.0, 74.5)
    picture = result.errors[0]
    assert (picture[50, 75], picture[7, 75], picture[27, 45], picture[32, 45]) == (MISSED, EXTRA, BOTH, MISSED)
    assert not picture[5:15, 5:15].any()


def test_what_nobody_painted_is_listed_as_not_scored_and_is_no_error():
    painted = np.where(_truth() == 3, 3, 0)

    result = scored(Annotation.from_painting(painted), _prediction()[None])

    assert [one.match.verdict for one in result.objects] == ["found", "unknown", "unknown"]
    assert not result.errors.any()
    lines = {line.name: line.value for line in result.lines}
    assert (lines["F1 where painted"], lines["Not scored"], lines["Overlap"]) == ("1.000", "2", "1.000")


@pytest.fixture
def viewer(qtbot):
    viewer = ViewerModel()
    image = viewer.add_image(np.random.default_rng(0).random((60, 90)), name="well", scale=(0.5, 0.5))
    controller_of(viewer).choices.choose_image(image)
    yield viewer
    controller_of(viewer).dispose()


class Score:
    """The panel after a comparison."""

    def __init__(self, qtbot, viewer, truth, prediction, mode="dense"):
        self.viewer, self.panel = viewer, ScorePanel(controller_of(viewer))
        qtbot.addWidget(self.panel)
        self.panel.truth.choose(truth)
        self.panel.prediction.choose(prediction)
        self.panel.mode.setCurrentIndex(self.panel.mode.findData(mode))
        self.panel.findChild(QPushButton, "cellseg_score").click()
        qtbot.waitUntil(lambda: self.panel.table.rowCount() > 0)

    def find(self, name):
        return self.panel.findChild(QWidget, f"cellseg_{name}")

    def column(self, title):
        model = self.find("score_objects").model()
        titles = [model.headerData(c, Qt.Orientation.Horizontal) for c in range(model.columnCount())]
        place = titles.index(title)
        return [model.index(row, place).data() for row in range(model.rowCount())]

    def press(self, key):
        self.viewer.keymap[coerce_keybinding(key)](self.viewer)

    @property
    def centre(self):
        return tuple(round(value, 2) for value in self.camera.center[-2:])

    @property
    def camera(self):
        return self.viewer.scene.camera if hasattr(self.viewer, "scene") else self.viewer.camera


@pytest.fixture
def score(qtbot, viewer):
    truth = viewer.add_labels(_truth(), name="truth", scale=(0.5, 0.5))
    result = show_labels(viewer, viewer.layers["well"], _prediction()[None], method="cellulus")
    return Score(qtbot, viewer, truth, result)


def test_errors_become_a_layer_of_the_image_that_nobody_takes_for_painting(score):
    layer = score.viewer.layers["well · errors"]

    tag = layer.metadata["cellseg_ssl"]
    assert (tag["kind"], tag["image"]) == ("errors", "well")
    assert tag["settings"] == {"truth": "truth", "prediction": "well · instances"}
    assert (layer.scale == (0.5, 0.5)).all()
    assert set(np.unique(layer.data)) == {0, MISSED, EXTRA, BOTH}
    assert not is_annotation(layer)
    assert score.panel.truth.findText("well · errors") == -1
    assert score.find("score_legend").text().startswith("4 errors. Blue: missed.")


def test_next_and_previous_lead_the_camera_from_error_to_error_and_round(score):
    for place in ((24.75, 37.25), (14.75, 22.25), (13.5, 22.25), (3.5, 37.25), (24.75, 37.25)):
        score.find("error_next").click()
        assert score.centre == pytest.approx(place, abs=0.3)
    score.find("error_previous").click()
    assert score.centre == (3.5, 37.25)


def test_two_keys_of_the_viewer_do_the_same(score):
    score.press(".")
    assert score.centre == pytest.approx((24.75, 37.25))
    score.press(",")
    assert score.centre == pytest.approx((3.5, 37.25))


def test_the_camera_comes_near_but_never_goes_away(score):
    score.camera.zoom = 0.1
    score.find("error_next").click()
    near = score.camera.zoom
    score.camera.zoom = 50
    score.find("error_next").click()

    assert near == pytest.approx(48 / 5)  # 10 px of 0.5 µm are 48 px on the screen
    assert score.camera.zoom == 50


def test_the_table_sorts_by_value_and_steps_follow_its_order(score):
    table = score.find("score_objects")
    assert table.isColumnHidden(1)  # one frame only

    table.sortByColumn(4, Qt.SortOrder.DescendingOrder)
    assert score.column("IoU") == ["1.00", "0.50", "0.00", "0.00", "0.00"]
    assert score.column("Verdict")[:2] == ["found", "missed"]
    assert score.column("Instance")[:2] == ["1", "2"]
    score.find("error_next").click()
    assert score.centre == pytest.approx((14.75, 22.25))


def test_a_click_on_a_line_goes_there_too(qtbot, score):
    table = score.find("score_objects")
    table.resize(400, 300)
    qtbot.mouseClick(
        table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(table.model().index(4, 0)).center()
    )

    assert score.centre == pytest.approx((4.75, 4.75))


def test_a_second_comparison_replaces_table_and_layer(qtbot, score):
    score.panel.prediction.choose(score.viewer.add_labels(_truth(), name="perfect"))
    score.find("score").click()
    qtbot.waitUntil(lambda: score.find("score_legend").text() == "No errors.")

    assert score.column("Verdict") == ["found"] * 3
    assert not score.find("error_next").isEnabled()
    assert [layer.name for layer in score.viewer.layers].count("well · errors") == 1
    assert not score.viewer.layers["well · errors"].data.any()


def test_in_a_movie_the_step_goes_to_the_frame_of_the_error(qtbot):
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((3, 60, 90)) + np.arange(90), name="movie")
    controller_of(viewer).choices.choose_image(image)
    truth = np.stack([_truth()] * 3)
    found = truth.copy()
    found[2][found[2] == 4] = 0
    one = Score(qtbot, viewer, viewer.add_labels(truth, name="truth"), viewer.add_labels(found, name="found"))

    one.find("error_next").click()

    assert viewer.dims.point[0] == 2
    assert one.centre == (29.5, 44.5)
    assert not one.find("score_objects").isColumnHidden(1)
    controller_of(viewer).dispose()


def test_with_a_painting_as_truth_the_panel_says_what_counts(qtbot, viewer):
    painted = new_annotation(viewer, viewer.layers["well"])
    painted.data[5:15, 5:15] = 2
    result = show_labels(viewer, viewer.layers["well"], _prediction()[None], method="cellulus")

    one = Score(qtbot, viewer, painted, result, mode="auto")

    assert messages.partly_known(0.02, 2) in one.panel.message.text()
    assert one.column("Verdict") == ["found", "not scored", "not scored"]


def test_a_table_of_twenty_thousand_objects_is_shown_and_sorted_at_once(qtbot):
    import time

    one = scored(Annotation.from_dense(_truth()), _prediction()[None]).objects[0]
    table = ObjectTable()
    qtbot.addWidget(table)
    begin = time.thread_time()

    table.show_objects([one] * 20_000)
    table.sortByColumn(4, Qt.SortOrder.DescendingOrder)

    assert time.thread_time() - begin < 0.2
