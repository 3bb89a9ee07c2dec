"""Scores and files from the dock *Score & export*."""

import csv
import re

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers._source import layer_source
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QFileDialog, QLineEdit, QPushButton, QTableWidget

from napari_cellseg_ssl.core.io.coco_reading import read_coco
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.annotate.painting import new_annotation
from napari_cellseg_ssl.gui.layers.outputs import show_labels
from napari_cellseg_ssl.gui.panels.export import ExportPanel
from napari_cellseg_ssl.gui.panels.score import ScorePanel
from napari_cellseg_ssl.gui.session import consent
from napari_cellseg_ssl.gui.session.controller import controller_of
from napari_cellseg_ssl.tasks import messages as tasks_messages
from saying import saying


def _cells():
    cells = np.zeros((40, 60), np.int32)
    cells[5:15, 5:15], cells[25:35, 40:50] = 1, 2
    return cells


@pytest.fixture
def viewer(qtbot):
    viewer = ViewerModel()
    pixels = np.random.default_rng(0).integers(0, 200, (40, 60)).astype(np.uint8)
    image = viewer.add_image(pixels, name="well A/1", scale=(0.5, 0.5), units="um")
    controller_of(viewer).choices.choose_image(image)
    yield viewer
    controller_of(viewer).dispose()


def _score_panel(qtbot, viewer):
    panel = ScorePanel(controller_of(viewer))
    qtbot.addWidget(panel)
    return panel


def _scored(qtbot, panel):
    panel.findChild(QPushButton, "cellseg_score").click()
    table = panel.findChild(QTableWidget, "cellseg_score_table")
    qtbot.waitUntil(lambda: table.rowCount() > 0)
    return {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount())}


def test_any_labels_layer_can_be_scored_against_any_other(qtbot, viewer):
    truth = viewer.add_labels(_cells(), name="truth")
    panel = _score_panel(qtbot, viewer)
    result = show_labels(viewer, viewer.layers[0], _cells()[None] * (_cells() == 1), method="cellulus")

    panel.truth.choose(truth)
    panel.prediction.choose(result)
    panel.mode.setCurrentIndex(panel.mode.findData("dense"))
    values = _scored(qtbot, panel)

    assert values["F1 at IoU 0.5"] == "0.667"
    assert (values["Found"], values["Missed"], values["Extra"]) == ("1", "1", "0")


def test_a_painting_is_scored_where_it_is_painted(qtbot, viewer):
    painted = new_annotation(viewer, viewer.layers[0])
    painted.data[5:15, 5:15] = 2
    show_labels(viewer, viewer.layers[0], _cells()[None], method="cellulus")
    panel = _score_panel(qtbot, viewer)

    assert (panel.truth.layer.name, panel.prediction.layer.name) == ("well A/1 · annotation", "well A/1 · instances")
    values = _scored(qtbot, panel)

    assert values["F1 where painted"] == "1.000"
    assert "0 is unknown" in panel.message.text()


def test_a_layer_is_not_scored_against_itself(qtbot, viewer):
    viewer.add_labels(_cells())
    panel = _score_panel(qtbot, viewer)

    panel.findChild(QPushButton, "cellseg_score").click()

    assert panel.message.text() == messages.choose_two_layers()


def test_layers_of_two_images_give_a_sentence(qtbot, viewer):
    panel = _score_panel(qtbot, viewer)
    panel.truth.choose(viewer.add_labels(_cells(), name="truth"))
    panel.prediction.choose(viewer.add_labels(np.ones((9, 9), int), name="other"))
    panel.truth.choose(viewer.layers["truth"])

    panel.findChild(QPushButton, "cellseg_score").click()

    qtbot.waitUntil(lambda: "two layers of the same image" in panel.message.text())


def test_the_choice_follows_renamed_and_deleted_layers(qtbot, viewer):
    panel = _score_panel(qtbot, viewer)
    first, second = viewer.add_labels(_cells(), name="one"), viewer.add_labels(_cells(), name="two")
    panel.truth.choose(second)
    first.name = "renamed"
    assert panel.truth.findText("renamed", Qt.MatchFlag.MatchExactly) >= 0

    viewer.layers.remove(second)

    assert panel.truth.layer is first
    assert panel.truth.count() == 1


def _export_panel(qtbot, viewer, folder):
    panel = ExportPanel(controller_of(viewer))
    qtbot.addWidget(panel)
    panel.findChild(QLineEdit, "cellseg_export_folder").setText(str(folder))
    return panel


def _export(qtbot, panel):
    panel.findChild(QPushButton, "cellseg_export").click()
    qtbot.waitUntil(lambda: panel.message.text() not in ("", "Writing …"), timeout=20_000)
    return panel.message.text()


def test_masks_are_written_as_coco_where_wanted(qtbot, viewer, tmp_path):
    show_labels(viewer, viewer.layers[0], _cells()[None], method="cellulus")
    panel = _export_panel(qtbot, viewer, tmp_path)
    panel.findChild(QCheckBox, "cellseg_export_coco").setChecked(True)

    _export(qtbot, panel)

    (found,) = read_coco(tmp_path / "well A_1_coco.json").images
    np.testing.assert_array_equal(found.labels(), _cells())


def test_labels_rois_and_measurements_are_written_and_the_layer_gets_its_features(qtbot, viewer, tmp_path):
    layer = show_labels(viewer, viewer.layers[0], _cells()[None], method="cellulus")
    panel = _export_panel(qtbot, viewer, tmp_path / "new folder")
    panel.findChild(QCheckBox, "cellseg_export_roi").setChecked(True)

    message = _export(qtbot, panel)

    assert message.startswith("Wrote well A_1_labels.tif")
    written = {path.name: path for path in (tmp_path / "new folder").iterdir()}
    assert set(written) == {"well A_1_labels.tif", "well A_1_rois.zip", "well A_1_measurements.csv"}
    labels = tifffile.imread(written["well A_1_labels.tif"])
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(labels, _cells())
    with written["well A_1_measurements.csv"].open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["area_um2"]) for row in rows] == [25.0, 25.0]
    assert layer.features["area_um2"].tolist() == [25.0, 25.0]
    assert layer.features["index"].tolist() == [1, 2]


@pytest.fixture
def asked(monkeypatch):
    """What the user was asked, and answers that they give; None says no."""
    questions, answers = [], []

    def ask(_title, text, _answers):
        questions.append(text)
        return answers.pop(0)

    monkeypatch.setattr(consent, "ask", ask)
    return questions, answers


@pytest.fixture
def written(qtbot, viewer, tmp_path):
    """A panel, and a folder into which it has written all that it can."""
    show_labels(viewer, viewer.layers[0], _cells()[None], method="cellulus")
    panel = _export_panel(qtbot, viewer, tmp_path / "results")
    for name in ("roi", "coco", "measure"):
        panel.findChild(QCheckBox, f"cellseg_export_{name}").setChecked(True)
    _export(qtbot, panel)
    return panel, tmp_path / "results"


def test_files_that_are_there_are_replaced_only_with_consent(qtbot, written, asked):
    panel, folder = written
    questions, answers = asked
    files = sorted(folder.iterdir())
    for file in files:
        file.write_text("mine")
    answers += [None, "Replace"]

    assert _export(qtbot, panel) == "Nothing was written."
    assert [file.read_text() for file in files] == ["mine"] * 4
    assert all(file.name in questions[0] for file in files)

    panel.message.setText("")
    assert _export(qtbot, panel).startswith("Wrote")
    np.testing.assert_array_equal(tifffile.imread(folder / "well A_1_labels.tif"), _cells())


def test_only_what_would_be_replaced_is_asked_about(qtbot, written, asked):
    panel, folder = written
    questions, answers = asked
    for file in folder.iterdir():
        if "measurements" not in file.name:
            file.unlink()
    answers += ["Replace"]

    panel.message.setText("")
    _export(qtbot, panel)

    assert questions == [f"well A_1_measurements.csv is in {folder} already, and would be replaced."]


def test_another_folder_can_be_chosen_instead(qtbot, written, asked, monkeypatch):
    panel, folder = written
    _questions, answers = asked
    before = {file: file.read_bytes() for file in folder.iterdir()}
    answers += ["Choose another folder …"]
    other = folder.parent / "other"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(other))

    panel.message.setText("")
    _export(qtbot, panel)

    assert {file.name for file in other.iterdir()} == {file.name for file in before}
    assert all(file.read_bytes() == content for file, content in before.items())


def test_a_new_folder_is_not_asked_about(qtbot, written, asked, tmp_path):
    panel, _folder = written
    panel.folder.setText(str(tmp_path / "new"))
    panel.message.setText("")

    assert _export(qtbot, panel).startswith("Wrote")
    assert asked[0] == []


def test_results_go_beside_the_image_by_default(qtbot, tmp_path):
    (tmp_path / "images").mkdir()
    viewer = ViewerModel()
    with layer_source(path=str(tmp_path / "images" / "well.tif")):
        image = viewer.add_image(np.zeros((40, 60), np.uint8), name="well")
    controller = controller_of(viewer)
    panel = ExportPanel(controller)
    qtbot.addWidget(panel)
    controller.choices.choose_image(image)

    assert panel.folder.text() == str(tmp_path / "images")
    controller.dispose()


def test_without_a_file_the_last_folder_is_suggested_and_a_chosen_one_stays(qtbot, written):
    _panel, folder = written
    viewer = ViewerModel()
    controller = controller_of(viewer)
    other = ExportPanel(controller)
    qtbot.addWidget(other)
    assert other.folder.text() == str(folder)

    other.folder.clear()
    qtbot.keyClicks(other.folder, "/mine")
    controller.choices.choose_image(viewer.add_image(np.zeros((9, 9)), name="made here"))
    assert other.folder.text() == "/mine"
    controller.dispose()


def test_a_folder_that_cannot_be_written_gives_one_sentence(qtbot, viewer, tmp_path):
    show_labels(viewer, viewer.layers[0], _cells()[None], method="cellulus")
    file = tmp_path / "a file"
    file.write_text("")
    panel = _export_panel(qtbot, viewer, file / "below")

    message = _export(qtbot, panel)

    assert re.search(saying(tasks_messages.folder_not_made), message)
    assert message.endswith("Choose another folder.")
    qtbot.waitUntil(lambda: controller_of(viewer).state.activity == "idle")


def test_labels_of_another_image_are_not_exported(qtbot, viewer, tmp_path):
    viewer.add_labels(np.ones((9, 9), int), name="other")
    panel = _export_panel(qtbot, viewer, tmp_path)

    assert _export(qtbot, panel) == str(messages.labels_of_another_shape("other", (9, 9), "well A/1", (40, 60)))
    assert not list(tmp_path.iterdir())


def test_an_export_without_labels_says_so(qtbot, viewer, tmp_path):
    panel = _export_panel(qtbot, viewer, tmp_path)
    assert _export(qtbot, panel) == "Choose an image and labels first."
