"""Two windows on one session that was interrupted: each goes on in a folder of its own, and no cell is lost."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from npe2 import PluginManager

from drawings import disks, picture
from napari_cellseg_ssl.gui.annotate.painting import new_annotation
from napari_cellseg_ssl.gui.docks import PaintDock, TrainSegmentDock
from napari_cellseg_ssl.gui.session.restoring import find_interrupted
from napari_cellseg_ssl.tasks.session.advance import controls
from napari_cellseg_ssl.tasks.session.folder import LAYERS_FOLDER, SessionRecord, rooms, write_record
from napari_cellseg_ssl.tasks.session.saved_layers import load_layers

PATIENCE_MS = 20_000
HOLDING = (
    "import sys; from pathlib import Path; from napari_cellseg_ssl.tasks.session.claim import claim\n"
    "room = Path(sys.argv[1]); held = claim(room.parent, room)\n"
    "print(held.room == room, flush=True); sys.stdin.read()"
)


@pytest.fixture
def window(qtbot, two_methods):
    """Open the docks on a viewer without an image, as often as it is called."""
    PluginManager.instance().discover()  # as the window of napari does
    opened = []

    def start():
        viewer = ViewerModel()
        docks = TrainSegmentDock(viewer), PaintDock(viewer)
        for dock in docks:
            qtbot.addWidget(dock)
        opened.append((docks[0].controller, viewer))
        return docks[0].controller, viewer

    yield start
    for controller, _viewer in opened:
        qtbot.waitUntil(lambda controller=controller: not controller.choices.is_busy, timeout=PATIENCE_MS)
        controller.dispose()


@pytest.fixture
def interrupted(qtbot, window, sessions, tmp_path):
    """A session with two painted cells, whose program died."""
    tifffile.imwrite(tmp_path / "cells.tif", picture(disks()))
    controller, viewer = window()
    viewer.open(str(tmp_path / "cells.tif"), plugin="napari")
    controller.choices.choose_image(viewer.layers[0])
    controller.choices.choose_annotation(new_annotation(viewer, viewer.layers[0]), "sparse")
    controller.annotation_layer.paint((5, 5), 2)
    controller.annotation_layer.paint((25, 25), 3)
    at_rest(qtbot, controller)
    (room,) = rooms(sessions)
    (room / "lock").unlink()
    return room


def at_rest(qtbot, controller):
    autosave = controller.session.autosave
    qtbot.waitUntil(lambda: autosave.room is not None and autosave.is_at_rest, timeout=PATIENCE_MS)


def restored(qtbot, controller):
    controller.restorer.restore()
    qtbot.waitUntil(lambda: controller.annotation_layer is not None, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: controller.state.activity == "idle", timeout=PATIENCE_MS)
    return controller.session.autosave.room


def painted(room):
    (layer,) = [kept for kept in load_layers(room / LAYERS_FOLDER) if kept.settings["kind"] == "annotation"]
    return set(np.unique(layer.arrays[0])) - {0, 1}


def test_two_windows_that_restore_one_session_keep_what_each_of_them_paints(qtbot, window, interrupted):
    (first, _), (second, _) = window(), window()
    assert first.restorer.offer is not None
    assert second.restorer.offer is not None

    rooms_of = [restored(qtbot, controller) for controller in (first, second)]
    first.annotation_layer.paint((50, 50), 500)
    second.annotation_layer.paint((50, 50), 501)
    for controller in (first, second):
        at_rest(qtbot, controller)

    assert rooms_of[0] == interrupted
    assert rooms_of[1] != interrupted
    assert [painted(room) for room in rooms_of] == [{2, 3, 500}, {2, 3, 501}]
    assert "another window" not in controls(first.state).status.lower()
    assert "another window" in controls(second.state).status.lower()


def test_a_session_that_another_program_restored_first_goes_on_in_a_copy(qtbot, window, interrupted):
    controller, _viewer = window()
    words = [sys.executable, "-c", HOLDING, str(interrupted)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline().strip() == "True"

        room = restored(qtbot, controller)
        controller.annotation_layer.paint((50, 50), 501)
        at_rest(qtbot, controller)
        other.stdin.close()

    assert room != interrupted
    assert painted(interrupted) == {2, 3}
    assert painted(room) == {2, 3, 501}


def test_what_the_first_window_went_on_painting_before_it_closed_is_what_the_second_one_restores(
    qtbot, window, interrupted
):
    (first, _), (second, _) = window(), window()
    restored(qtbot, first)
    first.annotation_layer.paint((50, 50), 500)
    at_rest(qtbot, first)
    first.dispose()

    room = restored(qtbot, second)

    assert room == interrupted
    assert (second.annotation_layer.data == 500).any()


def test_a_session_that_is_open_is_not_offered(window, interrupted, qtbot):
    controller, _viewer = window()
    restored(qtbot, controller)

    assert find_interrupted() is None


@pytest.mark.parametrize("content", ['"x"', "null", "[" * 100_000, '{"images": 3, "layers": 3}'], ids=lambda c: c[:10])
def test_a_session_whose_record_is_damaged_does_not_keep_the_docks_from_opening(window, sessions, content):
    room = sessions / "2025-01-01 10-00-00"
    write_record(room, SessionRecord(layers=("x",)))
    assert find_interrupted() is not None
    (room / "session.json").write_text(content)

    controller, _viewer = window()

    assert controller.restorer.offer is None


def test_a_session_of_a_method_and_settings_that_this_version_does_not_know_comes_back_without_them(
    qtbot, window, interrupted
):
    record = json.loads((interrupted / "session.json").read_text())
    settings = {"time_budget": 1e300, "preset": 3, "options": {"steps": "x"}}
    (interrupted / "session.json").write_text(json.dumps({**record, "method_id": "future", "settings": settings}))
    controller, _viewer = window()

    restored(qtbot, controller)

    assert (controller.annotation_layer.data == 3).any()
    assert controller.state.method_id == "fake"
