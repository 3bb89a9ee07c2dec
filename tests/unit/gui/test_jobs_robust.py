"""Whatever happens while a job runs, the window answers, says what was wrong, and is ready for the next."""

import threading

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QLineEdit

import fakes
from drawings import disks, painting
from napari_cellseg_ssl.core.methods.events import Step
from napari_cellseg_ssl.core.model.run_files import CHECKPOINT_FILE
from napari_cellseg_ssl.gui import docks
from napari_cellseg_ssl.gui.session.controller import _CONTROLLERS
from napari_cellseg_ssl.gui.session.restoring import find_interrupted
from napari_cellseg_ssl.tasks.session.advance import Began, Ended
from napari_cellseg_ssl.tasks.session.folder import SessionRecord, write_record
from napari_cellseg_ssl.tasks.session.versions import list_versions, load_version

ENDLESS = 1_000_000
FAILURES = ["RuntimeError", "KeyError", "memory", "torch memory"]


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


def assert_ready_again(screen):
    screen.wait_idle()
    assert not screen.find("pause").isEnabled()
    screen.wait(lambda: screen.find("train").isEnabled())


def trained(screen, **options):
    screen.train(steps=3, **options)
    screen.wait_idle()


def assert_one_message(screen, fail):
    screen.wait(lambda: screen.controller.state.failure is not None)
    assert_ready_again(screen)
    assert "Traceback" not in screen.status
    if "memory" in fail:
        assert "memory" in screen.status.lower()
    else:
        assert "unexpected" in screen.status
        assert "Traceback" in screen.find("status").toolTip()


def test_an_error_while_training_is_one_message_and_the_next_training_works(screen):
    for fail in FAILURES:
        screen.train(steps=9, fail=fail)
        assert_one_message(screen, fail)
    trained(screen)
    assert "16 cells" in screen.status


def test_an_error_while_predicting_is_one_message_and_keeps_the_model(screen):
    for fail in FAILURES:
        screen.train(steps=3, fail=fail, fail_at=1000)
        assert_one_message(screen, fail)
        assert screen.controller.bundle is not None


def test_an_error_while_segmenting_or_redrawing_is_one_message(screen):
    trained(screen)
    sliders = screen.dock.segment._sliders
    for fail in FAILURES:
        sliders.set_value(type(sliders.value())(fail=fail))
        screen.click("segment")
        assert_one_message(screen, fail)
    trained(screen)
    sliders.findChild(QLineEdit, "cellseg_option_fail").setText("KeyError")
    screen.wait(lambda: screen.controller.state.failure is not None)
    assert_ready_again(screen)


def test_an_error_while_tuning_is_one_message(screen):
    trained(screen)
    screen.viewer.add_labels(painting(disks(), n_cells=4), name="painted")
    screen.find("annotation").setCurrentText("painted")
    sliders = screen.dock.segment._sliders
    for fail in FAILURES:
        sliders.set_value(type(sliders.value())(fail=fail))
        screen.click("tune")
        assert_one_message(screen, fail)


def test_an_error_in_a_job_of_another_panel_is_one_message(screen):
    def job(control):
        raise RuntimeError("disk on fire")
        yield

    assert screen.controller.run(job)
    screen.wait(lambda: "disk on fire" in screen.status)
    assert_ready_again(screen)


def test_only_one_job_runs_at_a_time(screen):
    screen.train(steps=ENDLESS, wait=0.01)
    screen.wait_for_activity("training")
    assert not screen.controller.run(lambda control: iter(()))


def test_stop_ends_a_training_within_two_seconds_and_keeps_the_best(screen, monkeypatch):
    taken = []
    rest = fakes.METHOD._misbehave
    monkeypatch.setattr(fakes.METHOD, "_misbehave", lambda *args: (taken.append(0), rest(*args)))
    screen.train(steps=ENDLESS, wait=0.01)
    screen.wait(lambda: len(taken) > 20)
    before = len(taken)
    screen.click("stop")
    screen.wait_idle()
    assert len(taken) - before < 2 / 0.01  # in steps, so that it holds on a busy machine too
    assert screen.controller.bundle is not None
    assert screen.find("save_run").isEnabled()


def test_a_paused_training_takes_no_steps_and_goes_on(screen):
    screen.train(steps=ENDLESS, wait=0.01)
    screen.wait(lambda: bool(screen.controller.state.curve.steps))
    screen.click("pause")
    screen.spin(0.4)
    steps = screen.controller.state.curve.steps
    screen.spin(0.4)
    assert screen.controller.state.curve.steps == steps
    assert screen.find("pause").text() == "Resume"
    screen.click("pause")
    screen.wait(lambda: screen.controller.state.curve.steps != steps)
    screen.click("stop")
    screen.wait_idle()


def test_a_paused_training_can_be_stopped(screen):
    screen.train(steps=ENDLESS, wait=0.01)
    screen.wait_for_activity("training")
    screen.click("pause")
    screen.spin(0.2)
    screen.click("stop")
    screen.wait_idle(2_000)


def test_the_image_may_be_deleted_while_it_is_learned_from(screen):
    screen.train(steps=40, wait=0.02)
    screen.wait_for_activity("training")
    screen.viewer.layers.remove("disks")
    assert not screen.find("train").isEnabled()
    screen.wait_idle()
    assert screen.controller.bundle is not None
    assert screen.controller.state.failure is None
    assert "closed" in screen.status
    assert ("instances", "fake") not in screen.kinds()


def test_the_annotation_may_be_deleted_while_it_is_learned_from(screen):
    screen.viewer.add_labels(painting(disks()), name="painted")
    screen.find("annotation").setCurrentText("painted")
    screen.train(steps=40, wait=0.02)
    screen.wait_for_activity("training")
    screen.viewer.layers.remove("painted")
    screen.wait_idle()
    assert screen.controller.state.failure is None
    assert "16 cells" in screen.status
    assert screen.controller.annotation_layer is None


def test_closing_the_viewer_ends_the_training_and_leaves_it_resumable(open_window, sessions, qtbot):
    screen = open_window()
    screen.train(steps=ENDLESS, wait=0.01)
    screen.wait_for_activity("training")
    screen.spin(0.3)
    controller = screen.controller
    screen.viewer.close()
    screen.spin(0.1)
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=2_000)
    (folder,) = sessions.glob("*/001 fake")
    assert (folder / CHECKPOINT_FILE).exists()
    (version,) = list_versions(folder.parent)
    assert load_version(version)[0].provenance.reason == "stopped"
    offer = find_interrupted()
    assert offer is not None
    assert "1 version" in offer.sentence
    qtbot.waitUntil(lambda: controller.state.activity == "idle", timeout=2_000)


def test_an_interrupted_training_goes_on_when_its_folder_is_opened(screen, sessions):
    screen.train(steps=200, wait=0.02)
    screen.wait(lambda: len(screen.controller.state.curve.steps) > 3)
    screen.click("stop")
    screen.wait_idle()
    (folder,) = sessions.glob("*/001 fake")
    (folder / "run.json").unlink()  # as if the computer had died
    before = screen.controller.bundle
    screen.controller.open_run(folder)
    screen.wait(lambda: screen.controller.bundle is not before)
    screen.wait_idle()
    assert screen.controller.bundle.provenance.steps == 200


def test_training_leaves_camera_dims_and_selection_alone(screen):
    viewer = screen.viewer
    screen.wait(lambda: screen.find("diameter").value() > 1)
    viewer.layers.selection.active = viewer.layers["disks"]
    camera = viewer.scene.camera
    camera.center, camera.zoom = (0.0, 30.0, 20.0), 9.0
    before = (camera.center, camera.zoom, viewer.dims.current_step, viewer.dims.ndisplay)
    screen.train(steps=150, wait=0.02)
    screen.wait(lambda: ("preview", "fake") in screen.kinds())
    screen.wait_idle()
    assert (camera.center, camera.zoom, viewer.dims.current_step, viewer.dims.ndisplay) == before
    assert viewer.layers.selection.active is viewer.layers["disks"]


def test_nothing_is_left_running_after_many_jobs(screen):
    trained(screen)
    screen.wait(lambda: not screen.controller.choices.is_busy)
    threads = threading.active_count()
    for _ in range(5):
        screen.click("segment")
        screen.wait_idle()
    assert threading.active_count() <= threads + 1
    assert len(_CONTROLLERS) >= 1


def test_an_image_of_nans_is_refused_beside_the_button(screen):
    broken = np.full((32, 32), np.nan, np.float32)
    layer = screen.viewer.add_image(broken, name="broken", contrast_limits=(0, 1))
    screen.find("image").setCurrentText(layer.name)
    screen.wait(lambda: "NaN" in screen.find("reasons").text())
    assert not screen.find("train").isEnabled()


def test_odd_images_never_leave_the_window_hanging(screen):
    for number, (shape, dtype) in enumerate(
        [((1, 1), np.uint8), ((1, 40), np.int32), ((64, 1), np.float32), ((9, 9), bool)]
    ):
        layer = screen.viewer.add_image(np.resize(np.arange(7), shape).astype(dtype), name=f"odd {number}")
        screen.find("image").setCurrentText(layer.name)
        screen.spin(0.6)
        screen.wait(lambda: not screen.controller.choices.is_busy)
        if screen.find("train").isEnabled():
            screen.train(steps=2)
            screen.wait_idle()
        else:
            assert screen.find("reasons").text()


def test_a_training_that_died_is_offered_when_the_dock_opens(open_screen, sessions):
    folder = sessions / "2026-01-01 10-00-00" / "001 fake"
    folder.mkdir(parents=True)
    (folder / CHECKPOINT_FILE).write_bytes(b"")
    write_record(folder.parent, SessionRecord())
    screen = open_screen(image=False)
    assert screen.find("restore_session").isEnabled()
    assert screen.find("interrupted").text().endswith("it can continue.")


def test_a_session_that_has_ended_is_not_drawn_any_more(two_methods, qtbot, monkeypatch):
    monkeypatch.setattr(docks, "PROGRESS_MS", 20)
    dock = docks.TrainSegmentDock(ViewerModel())
    qtbot.addWidget(dock)
    dock.controller.apply(Began("training"))
    drawn = []
    monkeypatch.setattr(dock, "draw", drawn.append)

    dock.controller.apply(Step(1, 0.1, {"loss": 1.0}), 1.0)
    dock.controller.dispose()
    dock.controller.apply(Ended(), 2.0)
    qtbot.wait(60)

    assert drawn == []
