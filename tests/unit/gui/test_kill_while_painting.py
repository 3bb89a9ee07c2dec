"""kill -9 in the middle of a stroke: what was painted, corrected, learned and chosen comes back."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from npe2 import PluginManager

from drawings import disks, picture
from napari_cellseg_ssl.gui.docks import PaintDock, TrainSegmentDock
from napari_cellseg_ssl.gui.layers.tags import find_layer
from napari_cellseg_ssl.gui.session import restoring
from napari_cellseg_ssl.tasks.session.advance import controls
from napari_cellseg_ssl.tasks.session.folder import LAYERS_FOLDER, read_record, rooms, write_record
from napari_cellseg_ssl.tasks.session.saved_layers import load_layers
from napari_cellseg_ssl.tasks.session.versions import list_versions

MOST_LOST_S, PAINT_FOR_S = 30.0, 6.0


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Let somebody paint in another process, kill it, and return the folder, the image and what was printed."""
    home = tmp_path_factory.mktemp("home")
    image = home / "cells.tif"
    tifffile.imwrite(image, picture(disks()))
    environment = {**os.environ, "XDG_DATA_HOME": str(home), "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"}
    script = Path(__file__).parents[2] / "helpers" / "painting_process.py"
    with (home / "strokes.txt").open("w") as out:
        process = subprocess.Popen([sys.executable, str(script), str(image)], stdout=out, env=environment)
        begin = time.monotonic()
        while "ready" not in (home / "strokes.txt").read_text() and process.poll() is None:
            assert time.monotonic() < begin + 120
            time.sleep(0.1)
        time.sleep(PAINT_FOR_S)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    strokes = [line.split() for line in (home / "strokes.txt").read_text().splitlines()[1:] if line.count(" ") == 2]
    return home / "napari-cellseg-ssl" / "sessions", image, strokes


@pytest.fixture
def start(sessions, two_methods, qtbot):
    """Start napari with the docks and press Restore, as a user does; as often as it is called."""
    PluginManager.instance().discover()  # as the window of napari does
    started = []

    def again(*, waits_for_image=False):
        for room in rooms(sessions):
            (room / "lock").unlink(missing_ok=True)  # the process before is dead
        viewer = ViewerModel()
        docks = TrainSegmentDock(viewer), PaintDock(viewer)
        for dock in docks:
            qtbot.addWidget(dock)
        controller = docks[0].controller
        started.append((viewer, controller))
        controller.restorer.restore()
        qtbot.waitUntil(lambda: waits_for_image or controller.annotation_layer is not None, timeout=20_000)
        qtbot.waitUntil(lambda: controller.state.activity == "idle", timeout=20_000)
        return controller

    yield again
    for _viewer, controller in started:
        qtbot.waitUntil(lambda controller=controller: not controller.choices.is_busy, timeout=20_000)
        controller.dispose()


@pytest.fixture
def restarted(killed, sessions, start):
    """Start again after the crash; on a copy, so that the next test finds the same."""
    shutil.copytree(killed[0], sessions)
    return start()


def test_every_saved_pixel_is_one_that_was_painted_and_not_older_than_half_a_minute(killed):
    sessions, _image, strokes = killed
    (room,) = rooms(sessions)
    saved = {kept.settings["kind"]: kept.hash for kept in load_layers(room / LAYERS_FOLDER)}
    painted_at = {annotation: float(when) for when, annotation, _region in strokes}
    assert saved["annotation"] in painted_at
    assert float(strokes[-1][0]) - painted_at[saved["annotation"]] < MOST_LOST_S
    assert saved["complete-regions"] == strokes[-1][2]


def test_the_offer_says_what_there_is(killed, monkeypatch):
    monkeypatch.setattr(restoring, "sessions_folder", lambda: killed[0])
    sentence = restoring.find_interrupted().sentence
    assert "1 image" in sentence
    assert "1 version" in sentence
    assert "painted cells" in sentence


def test_images_labels_regions_corrections_versions_and_choices_come_back(sessions, restarted):
    (room,) = rooms(sessions)
    viewer, image = restarted.viewer, restarted.image_layer
    assert image.name == "cells"
    kept = {layer.settings["kind"]: layer for layer in load_layers(room / LAYERS_FOLDER)}
    np.testing.assert_array_equal(restarted.annotation_layer.data, kept["annotation"].arrays[0])
    assert len(find_layer(viewer, image, "complete-regions").data) == 1
    instances = find_layer(viewer, image, "instances", "fake")
    assert instances.data.max() == 16
    assert not (instances.data == 1).any()
    assert restarted.state.current == 1
    assert restarted.bundle.method_id == "fake"
    assert restarted.state.method_id == "fake"


def test_the_session_goes_on_in_its_folder(sessions, restarted, qtbot):
    restarted.annotation_layer.paint((50, 50), 99_999)
    qtbot.waitUntil(lambda: restarted.session.autosave.is_at_rest, timeout=20_000)
    (room,) = rooms(sessions)
    annotations = [kept for kept in load_layers(room / LAYERS_FOLDER) if kept.settings["kind"] == "annotation"]
    assert len(annotations) == 1
    assert (annotations[0].arrays[0] == 99_999).any()
    assert [version.number for version in list_versions(room)] == [1]


@pytest.mark.parametrize("seconds", [0, 3])
def test_a_second_crash_costs_no_more_than_the_first(restarted, start, qtbot, seconds):
    qtbot.wait(1000 * seconds)
    painted = restarted.annotation_layer.data.copy()
    again = start()
    np.testing.assert_array_equal(again.annotation_layer.data, painted)
    assert again.state.current == 1


def test_an_image_that_cannot_be_opened_again_is_waited_for(killed, sessions, start, qtbot):
    shutil.copytree(killed[0], sessions)
    (room,) = rooms(sessions)
    record = read_record(room)
    write_record(room, replace(record, images=tuple(replace(image, path="") for image in record.images)))
    controller = start(waits_for_image=True)
    assert "Open cells" in controls(controller.state).status

    image = controller.viewer.add_image(tifffile.imread(killed[1]), name="the same under another name")

    qtbot.waitUntil(lambda: controller.annotation_layer is not None, timeout=20_000)
    kept = {layer.settings["kind"]: layer for layer in load_layers(room / LAYERS_FOLDER)}
    np.testing.assert_array_equal(controller.annotation_layer.data, kept["annotation"].arrays[0])
    assert not (find_layer(controller.viewer, image, "instances", "fake").data == 1).any()
