"""The comparison of CUPre's pre-trainings in the dock: offered where it can be made, stopped, and a model taken."""

from dataclasses import replace

import numpy as np
import pytest

from drawings import disks, painting, picture
from napari_cellseg_ssl.core.methods import registry
from napari_cellseg_ssl.core.methods.cupre.options import CupreOptions
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.annotate.painting import new_annotation
from napari_cellseg_ssl.tasks.pretraining_comparison import ArmDone, ComparisonFinished

TINY = CupreOptions(
    detector="tiny", source="shapes", steps=2, iterations=1, crop=64, working_diameter=16.0, tile=32, view=32, tiles=4
)
PATIENCE_MS = 120_000


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def two_methods(monkeypatch):
    """Offer CUPre too, after the fake method."""
    monkeypatch.setattr(registry, "METHODS", {"fake": "fakes", "cupre": registry.METHODS["cupre"]})


@pytest.fixture
def window(open_screen):
    """A window on an image, with CUPre chosen."""
    screen = open_screen(image=False)
    screen.viewer.add_image(picture(disks((96, 96))), name="disks")
    screen.find("diameter").setValue(11.0)
    screen.find("method").setCurrentText("CUPre")
    screen.find("limit_time").setChecked(False)
    choose(screen, TINY)
    yield screen
    wait_counted(screen)


def choose(screen, options):
    screen.dock.method._form.set_value(options)
    screen.dock.method.options_changed.emit()


def wait_counted(screen):
    screen.wait(lambda: not screen.controller.choices.is_busy)


def paint(screen, n_cells=8):
    layer = new_annotation(screen.viewer, screen.controller.image_layer)
    cells = painting(disks((96, 96)), n_cells=n_cells)
    layer.data_setitem(np.nonzero(cells), cells[cells > 0])
    screen.controller.choices.choose_annotation(layer, "sparse")
    screen.wait(lambda: screen.controller.state.n_cells == n_cells)


def rows(screen):
    table = screen.find("pretraining_table")
    items = [table.topLevelItem(place) for place in range(table.topLevelItemCount())]
    return [[item.text(column) for column in range(4)] for item in items]


def heard(screen, kind):
    events = []
    screen.controller.happened.connect(lambda event: events.append(event) if isinstance(event, kind) else None)
    return events


def test_it_is_there_for_cupre_alone_and_says_what_is_missing(window):
    assert window.find("compare_pretraining").isVisible()
    wait_counted(window)
    assert not window.find("compare_pretraining").isEnabled()
    assert messages.cells_to_validate_missing(4) in window.find("pretraining_note").text()

    paint(window, n_cells=3)
    assert not window.find("compare_pretraining").isEnabled()
    paint(window, n_cells=4)
    window.wait(window.find("compare_pretraining").isEnabled)
    assert window.find("pretraining_note").text() == "6 trainings of 2 steps each."
    window.find("limit_time").setChecked(True)
    window.find("time_budget").setValue(300)
    window.find("pretraining_scratch").setChecked(True)
    assert window.find("pretraining_note").text() == "7 trainings of 5 min each: about 35 min."

    choose(window, replace(TINY, source=""))
    assert not window.find("compare_pretraining").isEnabled()
    assert messages.source_missing() in window.find("pretraining_note").text()
    window.find("option_source").setText("shapes")
    assert window.find("compare_pretraining").isEnabled()

    window.find("method").setCurrentText("Fake")
    assert not window.find("compare_pretraining").isVisible()
    window.find("method").setCurrentText("CUPre")
    assert window.find("compare_pretraining").isVisible()


def test_the_table_tells_how_each_did_and_one_of_the_models_is_taken(window):
    paint(window)
    done = heard(window, ArmDone)

    window.click("compare_pretraining")
    window.wait_for_activity("pretraining")
    assert window.find("stop").isEnabled()
    window.wait_idle(PATIENCE_MS)

    assert window.controller.state.failure is None
    assert [row[0] for row in rows(window)] == ["Source only", "Images only (MoCo)", "CUPre"]
    assert rows(window) == [
        [row[0], f"{one.row.f1:.2f}", f"{one.row.iou:.2f}", "2 + 2"]
        for row, one in zip(rows(window), done, strict=True)
    ]
    assert "Validated on 2 held-out cells" in window.find("pretraining_worth").text()
    assert window.controller.bundle is None  # nothing is taken unasked

    table = window.find("pretraining_table")
    table.setCurrentItem(table.topLevelItem(1))
    window.click("use_pretraining")
    window.wait(lambda: window.controller.bundle is not None)
    window.wait_idle()

    assert window.controller.bundle is done[1].bundle
    assert "Images only (MoCo)" in window.status
    assert not window.find("use_pretraining").isEnabled()
    (version,) = window.controller.state.versions
    assert (version.origin, version.n_cells, version.score) == ("learned", 8, done[1].row.f1)
    window.wait(window.find("segment").isEnabled)


def test_a_stop_keeps_the_rows_so_far(window):
    paint(window)
    choose(window, replace(TINY, steps=4))
    done, finished = heard(window, ArmDone), heard(window, ComparisonFinished)
    window.controller.happened.connect(
        lambda event: window.find("stop").click() if isinstance(event, ArmDone) and len(done) == 1 else None
    )

    window.click("compare_pretraining")
    window.wait_for_activity("preparing", "pretraining")
    window.wait_idle(PATIENCE_MS)

    assert finished[0].stopped
    assert len(rows(window)) == len(finished[0].rows) == len(done) < 3
    assert rows(window)[0][0] == "Source only"
    window.click("use_pretraining")
    window.wait(lambda: window.controller.bundle is finished[0].best.bundle)
    window.wait_idle()


def test_a_stop_before_the_first_row_leaves_no_table_and_says_so(window):
    paint(window)
    choose(window, replace(TINY, steps=1_000_000))
    window.click("compare_pretraining")
    window.wait(lambda: window.controller.state.fraction is not None, PATIENCE_MS)

    window.click("stop")
    window.wait_idle(PATIENCE_MS)

    assert "Stopped before" in window.status
    assert not window.find("pretraining_table").isVisible()
    assert window.find("compare_pretraining").isEnabled()


def test_what_is_wrong_with_the_source_is_one_message_and_it_can_be_tried_again(window, tmp_path):
    paint(window)
    choose(window, replace(TINY, crop=64, weights=str(tmp_path / "none.pth")))

    window.click("compare_pretraining")
    window.wait(lambda: window.controller.state.failure is not None, PATIENCE_MS)
    window.wait_idle()

    assert "Traceback" not in window.status
    window.wait(window.find("compare_pretraining").isEnabled)
