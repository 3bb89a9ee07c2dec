"""The main job in a real window: what a user sees and may do."""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

import fakes
from drawings import disks, painting, picture
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.panels.train import GO_ON
from napari_cellseg_ssl.gui.session.controller import controller_of
from napari_cellseg_ssl.tasks.session.advance import BundleOpened

NAMES = (
    *("method", "image", "annotation", "diameter", "preset", "device", "train", "stop", "pause", "segment", "tune"),
    *("progress", "status", "loss_plot", "save_run", "open_run", "option_steps", "option_threshold"),
)


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.mark.parametrize("name", NAMES)
def test_every_promised_widget_is_there(screen, name):
    assert screen.find(name).toolTip() or name in ("status",)


def test_opening_the_docks_loads_neither_torch_nor_sklearn_nor_pyqtgraph():
    code = (
        "import sys; from napari.components import ViewerModel; from qtpy.QtWidgets import QApplication; "
        "app = QApplication([]); from napari_cellseg_ssl.gui.docks import *; v = ViewerModel(); "
        "docks = [TrainSegmentDock(v), PaintDock(v), ScoreExportDock(v)]; "
        "print([m for m in ('torch', 'sklearn', 'pyqtgraph') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_without_an_image_the_dock_says_what_to_do(open_screen):
    screen = open_screen(image=False)
    assert not screen.find("train").isEnabled()
    assert "Open an image" in screen.find("reasons").text()


def test_an_image_that_is_opened_later_is_taken(open_screen):
    screen = open_screen(image=False)
    screen.viewer.add_image(picture(disks()), name="later")
    assert screen.find("image").currentText() == "later"
    screen.wait(lambda: screen.find("train").isEnabled())


def test_the_object_size_is_estimated_and_drawn_as_a_circle(screen):
    screen.wait(lambda: screen.find("diameter").value() > 1)
    assert screen.find("diameter").value() == pytest.approx(11, abs=3)
    circle = next(layer for layer in screen.viewer.layers if layer.name == "disks · object size")
    assert np.ptp(circle.data[0][:, 0]) == pytest.approx(screen.find("diameter").value(), abs=0.1)


def test_a_line_across_a_cell_sets_the_size(screen):
    screen.wait(lambda: screen.find("diameter").value() > 1)
    circle = next(layer for layer in screen.viewer.layers if layer.name == "disks · object size")
    circle.add_lines(np.array([[10.0, 10.0], [10.0, 34.0]]))
    assert screen.find("diameter").value() == pytest.approx(24)
    assert not screen.find("diameter_auto").isChecked()
    assert len(circle.data) == 1
    assert circle.shape_type == ["ellipse"]


def test_dragging_the_circle_sets_the_size(screen):
    screen.wait(lambda: screen.find("diameter").value() > 1)
    circle = next(layer for layer in screen.viewer.layers if layer.name == "disks · object size")
    centre = circle.data[0].mean(axis=0)
    circle.data = [centre + 2 * (circle.data[0] - centre)]
    assert screen.find("diameter").value() == pytest.approx(np.ptp(circle.data[0][:, 0]), abs=0.1)
    assert not screen.find("diameter_auto").isChecked()


def test_a_typed_size_moves_the_circle_and_estimating_again_moves_it_back(screen):
    screen.wait(lambda: screen.find("diameter").value() > 1)
    estimated = screen.find("diameter").value()
    screen.find("diameter").setValue(30)
    circle = next(layer for layer in screen.viewer.layers if layer.name == "disks · object size")
    assert np.ptp(circle.data[0][:, 1]) == pytest.approx(30)
    screen.find("diameter_auto").setChecked(True)
    assert screen.find("diameter").value() == pytest.approx(estimated)


def test_one_button_learns_segments_and_shows_the_classical_result_beside(screen):
    screen.train(steps=5)
    screen.wait_idle()
    assert ("instances", "fake") in screen.kinds()
    assert ("instances", "classical") in screen.kinds()
    assert ("foreground", "fake") in screen.kinds()
    assert "16 cells" in screen.status
    assert "F1" in screen.status
    assert screen.find("segment").isEnabled()


def test_the_run_is_kept_in_a_folder_that_did_not_exist_before(screen, sessions):
    assert not sessions.exists()
    screen.train(steps=3)
    screen.wait_idle()
    (folder,) = sessions.glob("*/001 fake")
    assert ModelBundle.load(folder).id == screen.controller.bundle.id


def test_the_loss_is_plotted_with_a_fixed_number_of_points(screen):
    screen.train(steps=60, wait=0.02)
    screen.wait(lambda: screen.dock.train.plot.n_points > 2)
    assert screen.dock.train.plot.isVisible()
    screen.wait_idle()
    assert screen.dock.train.plot.n_points <= 256


def test_pressing_segment_again_writes_into_the_same_layers(screen):
    screen.train(steps=3)
    screen.wait_idle()
    before = list(screen.viewer.layers)
    screen.click("segment")
    screen.wait_idle()
    assert list(screen.viewer.layers) == before


def test_a_slider_redraws_the_instances_without_the_network(screen, monkeypatch):
    import fakes

    screen.train(steps=3)
    screen.wait_idle()
    calls = []
    monkeypatch.setattr(fakes.FakePredictor, "__call__", lambda *_: calls.append(1))
    layer = next(
        x
        for x in screen.viewer.layers
        if x.metadata.get("cellseg_ssl", {}).get("method") == "fake"
        and x.metadata["cellseg_ssl"]["kind"] == "instances"
    )
    assert layer.data.max() == 16
    screen.find("option_threshold").setValue(1.0)
    screen.wait(lambda: layer.data.max() != 16)
    screen.find("option_threshold").setValue(0.5)
    screen.wait(lambda: layer.data.max() == 16)
    assert calls == []


def test_instances_that_the_user_edited_survive_the_next_segmentation(screen):
    screen.train(steps=3)
    screen.wait_idle()
    mine = next(
        x
        for x in screen.viewer.layers
        if x.metadata.get("cellseg_ssl", {}).get("method") == "fake"
        and x.metadata["cellseg_ssl"]["kind"] == "instances"
    )
    mine.data_setitem((np.array([0]), np.array([0])), 99)
    deleted = np.nonzero(mine.data == 1)
    mine.data_setitem(deleted, 0)
    edited = mine.data.copy()
    screen.click("segment")
    screen.wait_idle()
    np.testing.assert_array_equal(mine.data, edited)
    assert screen.kinds().count(("instances", "fake")) == 1


def test_tuning_needs_painted_cells_and_then_moves_the_sliders(screen):
    screen.train(steps=3)
    screen.wait_idle()
    screen.click("tune")
    assert messages.nothing_to_tune_for().message in screen.status
    screen.viewer.add_labels(painting(disks(), n_cells=4), name="painted")
    screen.find("annotation").setCurrentText("painted")
    screen.find("option_threshold").setValue(0.95)
    screen.wait(lambda: not screen.controller._redraws.is_busy)
    screen.click("tune")
    screen.wait_idle()
    assert "Best score" in screen.status
    assert screen.find("option_threshold").value() < 0.95


def test_training_on_starts_from_the_model_and_can_be_taken_back(screen):
    screen.train(steps=3)
    screen.wait_idle()
    first = screen.controller.bundle
    screen.find("go_on").setChecked(True)
    assert screen.find("train").text() == "Train on"
    screen.train(steps=4)
    screen.wait(lambda: screen.controller.bundle is not first)
    screen.wait_idle()
    assert screen.controller.bundle.provenance.parent == first.id
    screen.click("roll_back")
    screen.wait(lambda: screen.controller.bundle.id == first.id)
    screen.wait_idle()
    assert "version 1" in screen.status
    assert not screen.find("roll_back").isEnabled()


def test_a_saved_run_opens_again(screen, tmp_path):
    screen.train(steps=3)
    screen.wait_idle()
    first = screen.controller.bundle
    screen.controller.save_run(tmp_path / "mine")
    screen.wait_idle()
    screen.controller.open_run(tmp_path / "mine")
    screen.wait(lambda: screen.controller.bundle is not first)
    screen.wait_idle()
    assert screen.controller.bundle.id == first.id
    assert "mine" in screen.status


def test_a_folder_without_a_run_is_refused_in_words(screen, tmp_path):
    screen.controller.open_run(tmp_path)
    screen.wait(lambda: "not a run folder" in screen.status)
    screen.wait_idle()


def test_two_viewers_have_two_sessions(open_screen):
    one, other = open_screen(), open_screen()
    assert one.controller is not other.controller
    one.train(steps=3)
    one.wait_idle()
    assert one.controller.bundle is not None
    assert other.controller.bundle is None
    assert ("instances", "fake") not in other.kinds()


def test_the_docks_of_one_viewer_share_a_session(screen):
    assert controller_of(screen.viewer) is screen.controller


def test_the_classical_method_needs_no_training(screen):
    screen.find("method").setCurrentIndex(screen.find("method").findData("classical"))
    assert not screen.find("train").isVisible()
    screen.click("segment")
    screen.wait_idle()
    assert ("instances", "classical") in screen.kinds()
    assert "cells" in screen.status


def test_painting_that_will_not_do_is_explained_beside_the_button(screen, monkeypatch):
    from dataclasses import replace

    import fakes

    monkeypatch.setattr(fakes.METHOD, "info", replace(fakes.METHOD.info, labels="required"))
    screen.controller.choices.check()
    screen.wait(lambda: "painted" in screen.find("reasons").text())
    assert not screen.find("train").isEnabled()
    screen.viewer.add_labels(painting(disks()), name="painted")
    screen.find("annotation").setCurrentText("painted")
    screen.wait(lambda: screen.find("train").isEnabled())


def test_a_painted_layer_is_taken_when_it_comes_and_no_is_taken_for_an_answer(screen):
    annotation = screen.find("annotation")
    screen.viewer.add_labels(painting(disks()), name="painted")
    assert annotation.currentText() == "painted"
    annotation.setCurrentIndex(0)
    screen.viewer.add_image(picture(disks()), name="another")
    assert screen.controller.annotation_layer is None
    screen.viewer.layers["painted"].name = "renamed"
    assert screen.controller.annotation_layer is None
    assert annotation.itemText(1) == "renamed"


def test_the_dock_opens_in_a_second(make_napari_viewer, two_methods):
    from napari_cellseg_ssl.gui.docks import TrainSegmentDock

    viewer = make_napari_viewer(show=True)
    begin = time.process_time()  # of this process alone: the machine may be busy with others
    viewer.window.add_dock_widget(TrainSegmentDock(viewer))
    assert time.process_time() - begin < 1


def test_a_run_that_is_opened_brings_its_method_along(screen, tmp_path):
    screen.train(steps=3)
    screen.wait_idle()
    screen.controller.save_run(tmp_path / "mine")
    screen.wait_idle()
    screen.find("method").setCurrentText("Classical")

    screen.controller.open_run(tmp_path / "mine")
    screen.wait(lambda: "Opened mine" in screen.status)
    screen.wait_idle()

    assert screen.find("method").currentText() == "Fake"
    assert screen.controller.choices.method_id == "fake", "what is chosen is checked against the method that is shown"
    assert screen.find("train").isVisible()
    screen.click("segment")
    screen.wait(lambda: screen.controller.maps is not None)


@pytest.mark.parametrize("is_open", [True, False], ids=["while the dock is open", "before the dock is opened"])
def test_hidden_labels_such_as_the_truth_of_a_sample_are_not_learned_from_unasked(open_screen, is_open):
    truth = {"data": disks(), "name": "truth", "visible": False}
    if is_open:
        screen = open_screen()
        screen.viewer.add_labels(**truth)
    else:
        screen = open_screen(labels=truth)

    assert screen.controller.annotation_layer is None
    screen.find("annotation").setCurrentText("truth")
    assert screen.controller.annotation_layer.name == "truth"


def test_a_method_that_can_start_from_the_model_of_another_offers_that(screen, monkeypatch):
    screen.train(steps=3)
    screen.wait_idle()
    own, start = screen.controller.bundle, screen.find("go_on")
    assert start.text() == GO_ON
    other = replace(own, method_id="classical", architecture={**own.architecture, "tag": "other"})

    screen.controller.state = replace(screen.controller.state, bundle=other)
    screen.dock.draw(screen.controller.state)
    assert not start.isVisible()

    monkeypatch.setattr(fakes.METHOD, "info", replace(fakes.METHOD.info, starts_from=("other",)), raising=False)
    screen.dock.draw(screen.controller.state)
    assert start.isVisible()
    assert start.text() == "start from the current model of Classical"
    start.setChecked(True)
    assert screen.find("train").text() == "Train"
    screen.train(steps=3)
    screen.wait_idle()
    assert screen.controller.bundle.provenance.parent == other.id


def test_what_was_noted_while_a_model_was_trained_stays_to_be_read(screen):
    screen.train(steps=3)
    screen.wait_idle()
    bundle, notes = screen.controller.bundle, screen.find("notes")
    assert not notes.isVisible()

    provenance = replace(bundle.provenance, notes=("Trained for 3 s.", "Paint some background."))
    screen.controller.apply(BundleOpened(replace(bundle, provenance=provenance), "mine"))
    assert notes.text() == "Trained for 3 s.\nPaint some background."
    assert notes.isVisible()

    screen.find("method").setCurrentText("Classical")
    assert not notes.isVisible()
