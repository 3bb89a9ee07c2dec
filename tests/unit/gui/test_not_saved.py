"""A full disk while somebody paints: it is said for as long as it lasts, and then everything is saved."""

import logging
import re

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from napari.components import ViewerModel
from qtpy.QtWidgets import QLabel

from drawings import disks, picture
from napari_cellseg_ssl.gui.annotate.painting import new_annotation
from napari_cellseg_ssl.gui.docks import PaintDock, TrainSegmentDock
from napari_cellseg_ssl.gui.session import autosave
from napari_cellseg_ssl.tasks.session import messages as session_messages
from napari_cellseg_ssl.tasks.session.claim import claim
from napari_cellseg_ssl.tasks.session.folder import LAYERS_FOLDER, read_record, rooms
from napari_cellseg_ssl.tasks.session.saved_layers import load_layers
from saying import saying

PATIENCE_MS = 20_000


@pytest.fixture
def disk(monkeypatch):
    """A disk that can be full, at which autosave tries again soon."""
    monkeypatch.setattr(autosave, "TRY_AGAIN_AFTER_MS", 100)
    monkeypatch.setattr(autosave, "SAVE_AFTER_MS", 100)

    class Disk:
        full = False

    def writing(write):
        def attempt(*args, **kwargs):
            if Disk.full:
                raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")
            return write(*args, **kwargs)

        return attempt

    for name in ("save", "save_file"):
        monkeypatch.setattr(safetensors.numpy, name, writing(getattr(safetensors.numpy, name)))
    return Disk


@pytest.fixture
def window(qtbot, two_methods):
    """Both docks on an image, and an annotation to paint on."""
    opened = []

    def start():
        viewer = ViewerModel()
        docks = TrainSegmentDock(viewer), PaintDock(viewer)
        for dock in docks:
            qtbot.addWidget(dock)
        controller = docks[0].controller
        controller.choices.choose_image(viewer.add_image(picture(disks()), name="disks"))
        controller.choices.choose_annotation(new_annotation(viewer, controller.image_layer), "sparse")
        opened.append(controller)
        return docks, controller

    yield start
    for controller in opened:
        qtbot.waitUntil(lambda controller=controller: not controller.choices.is_busy, timeout=PATIENCE_MS)
        controller.dispose()


def warnings_of(docks):
    found = [dock.findChild(QLabel, "cellseg_not_saved") for dock in docks]
    return ["" if label.isHidden() else label.text() for label in found]


def kept(sessions):
    (room,) = rooms(sessions)
    return {layer.settings["kind"]: layer.arrays[0] for layer in load_layers(room / LAYERS_FOLDER)}["annotation"]


def test_a_full_disk_is_a_standing_warning_until_all_is_saved(qtbot, window, disk, sessions):
    docks, controller = window()
    controller.annotation_layer.paint((5, 5), 2)
    qtbot.waitUntil(lambda: controller.session.autosave.is_at_rest, timeout=PATIENCE_MS)
    assert warnings_of(docks) == ["", ""]

    disk.full = True
    controller.annotation_layer.paint((50, 50), 3)
    qtbot.waitUntil(lambda: all(warnings_of(docks)), timeout=PATIENCE_MS)

    (text, _) = warnings_of(docks)
    for words in (
        "Not saved",
        "No space left",
        str(sessions),
        "What was painted until",
        "this window only",
        "Free some",
    ):
        assert words in text
    assert "Nothing was lost" not in text
    assert not (kept(sessions) == 3).any()

    docks[0].train.train_clicked.emit()  # another job, whose messages come and go
    qtbot.waitUntil(lambda: controller.state.activity == "idle", timeout=PATIENCE_MS)
    assert all(warnings_of(docks))

    disk.full = False
    qtbot.waitUntil(lambda: warnings_of(docks) == ["", ""], timeout=PATIENCE_MS)
    np.testing.assert_array_equal(kept(sessions), controller.annotation_layer.data)


def test_a_session_of_which_nothing_could_be_saved_yet_says_so(qtbot, window, disk):
    disk.full = True
    docks, controller = window()

    controller.annotation_layer.paint((5, 5), 2)

    qtbot.waitUntil(lambda: all(warnings_of(docks)), timeout=PATIENCE_MS)
    assert "Nothing of this session is kept yet" in warnings_of(docks)[0]


def test_a_window_closes_on_a_full_disk_and_lets_go_of_its_session(qtbot, window, disk, sessions, caplog):
    _docks, controller = window()
    controller.annotation_layer.paint((5, 5), 2)
    qtbot.waitUntil(lambda: controller.session.autosave.is_at_rest, timeout=PATIENCE_MS)
    disk.full = True
    controller.annotation_layer.paint((50, 50), 3)

    with caplog.at_level(logging.WARNING):
        controller.dispose()

    assert "No space left" in caplog.text
    (room,) = rooms(sessions)
    again = claim(sessions, room)
    assert again.room == room
    again.release()
    assert not read_record(room).closed


def test_a_model_that_cannot_be_kept_stays_in_the_window(screen, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("napari_cellseg_ssl.core.model.bundle.write_arrays", full)
        screen.train(steps=3)
        screen.wait(lambda: screen.controller.state.failure is not None)
        screen.wait_idle()

    assert "No space left" in screen.status
    assert re.search(saying(session_messages.version_not_kept_model_stays), screen.status)
    assert screen.controller.bundle is not None
    screen.click("segment")
    screen.wait(lambda: ("instances", "fake") in screen.kinds())
