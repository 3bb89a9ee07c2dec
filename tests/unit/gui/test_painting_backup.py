"""A crash costs no painted cell: what was painted is offered again when its image is opened again."""

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QPushButton

from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.panels.paint import PaintPanel
from napari_cellseg_ssl.gui.session.controller import controller_of
from napari_cellseg_ssl.gui.session.restoring import find_painting

PIXELS = np.random.default_rng(0).random((3, 40, 60))


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def session(qtbot):
    """Open the panel on an image, as in a fresh napari."""
    controllers = []

    def start(pixels=PIXELS, name="cells"):
        viewer = ViewerModel()
        controller = controller_of(viewer)
        controllers.append((viewer, controller))
        controller.choices.choose_image(viewer.add_image(pixels, name=name))
        panel = PaintPanel(controller)
        qtbot.addWidget(panel)
        return panel, controller

    yield start
    for _viewer, controller in controllers:
        qtbot.waitUntil(lambda controller=controller: not controller.choices.is_busy, timeout=20_000)
        controller.dispose()


def _paint(qtbot, panel, controller):
    panel.findChild(QPushButton, "cellseg_new_annotation").click()
    layer = controller.annotation_layer
    controller.viewer.dims.set_point(0, 2)
    layer.paint((2, 5, 5), 2)
    layer.paint((2, 25, 25), 3)
    image = controller.image_layer
    crash(qtbot, controller)
    found = find_painting(image, layer.data.shape)
    assert found is not None
    assert found.n_cells == 2
    return layer.data.copy()


def crash(qtbot, controller):
    """Wait until all is written, then let go of the session's folder as the death of a process does."""
    autosave = controller.session.autosave
    qtbot.waitUntil(lambda: autosave.room is not None and autosave.is_at_rest, timeout=20_000)
    (autosave.room / "lock").unlink()


def _recover_button(panel):
    return panel.findChild(QPushButton, "cellseg_recover_painting")


def test_what_was_painted_is_offered_and_put_back_after_a_crash(qtbot, session):
    painted = _paint(qtbot, *session())

    panel, controller = session(name="opened under another name")
    assert "Recover 2 cells" in _recover_button(panel).text()
    _recover_button(panel).click()

    np.testing.assert_array_equal(controller.annotation_layer.data, painted)
    assert controller.annotation_layer.selected_label == 4
    assert _recover_button(panel).isHidden()


def test_a_painting_is_not_offered_for_another_image(qtbot, session):
    _paint(qtbot, *session())

    panel, _controller = session(pixels=PIXELS + 1)

    assert _recover_button(panel).isHidden()


def test_a_damaged_file_is_passed_over(qtbot, session):
    panel, controller = session()
    _paint(qtbot, panel, controller)
    (controller.session.autosave.room / "layers" / "newer.safetensors").write_bytes(b"no such thing")

    panel, _controller = session()

    assert "Recover 2 cells" in _recover_button(panel).text()


def test_a_folder_that_cannot_be_written_is_said_and_painting_goes_on(qtbot, session, sessions):
    sessions.write_text("in the way")
    panel, controller = session()
    panel.findChild(QPushButton, "cellseg_new_annotation").click()
    controller.viewer.dims.set_point(0, 0)

    controller.annotation_layer.paint((0, 5, 5), 2)

    qtbot.waitUntil(lambda: panel.message.text() == messages.not_saved())
    assert "1 cell" in panel.counts.text()


def test_a_folder_that_cannot_be_written_ends_a_training_with_a_message(screen, sessions):
    sessions.write_text("in the way")
    screen.train(steps=3)
    screen.wait(lambda: screen.controller.state.failure is not None)
    screen.wait_idle()
    assert "cannot be written" in screen.status
