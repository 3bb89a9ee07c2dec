"""One result of an image counts: it lies on top, and is counted, scored, written and proposed."""

import numpy as np
import pytest
from qtpy.QtWidgets import QWidget

from drawings import disks
from napari_cellseg_ssl.gui.annotate.painting import new_annotation
from napari_cellseg_ssl.gui.docks import PaintDock, ScoreExportDock
from napari_cellseg_ssl.gui.layers.outputs import show_labels

THRESHOLD = "option_threshold"


@pytest.fixture
def screen(no_window, qtbot):
    """All docks over one image, without a window."""
    no_window.others = [PaintDock(no_window.viewer), ScoreExportDock(no_window.viewer)]
    for dock in no_window.others:
        qtbot.addWidget(dock)
    return no_window


def part(screen, name):
    found = [dock.findChild(QWidget, f"cellseg_{name}") for dock in screen.others]
    return next(widget for widget in found if widget is not None)


def make(screen, method, n=12, **settings):
    """Show a result of a method with so many cells."""
    return show_labels(screen.viewer, screen.viewer.layers["disks"], disks(n=n)[None], method=method, **settings)


def on_top(screen):
    """Results that are shown, from above."""
    tags = [(layer, layer.metadata.get("cellseg_ssl", {})) for layer in reversed(screen.viewer.layers)]
    return [x for x, tag in tags if tag.get("kind") == "instances" and tag.get("name") != "reference" and x.visible]


def taken(screen):
    """What Score, Export and Paint take."""
    paint = screen.others[0].findChild(QWidget, "cellseg_proposals_from").parent()
    while not hasattr(paint, "_proposals"):
        paint = paint.parent()
    return [part(screen, "score_prediction").layer, part(screen, "export_labels").layer, paint._proposals.layer()]


def assert_counts(screen, layer):
    """A result is the only one that is shown, and the one that everything takes."""
    assert on_top(screen) == [layer]
    assert taken(screen) == [layer] * 3
    n = len(np.unique(layer.data)) - 1
    screen.wait(lambda: screen.status.startswith(f"{n} cells"))


def test_a_result_whose_method_was_used_before_is_shown_and_taken_again(screen):
    first = make(screen, "starter", 12)
    classical = make(screen, "classical", 7)
    assert_counts(screen, classical)

    again = make(screen, "starter", 15)

    assert again is first
    assert_counts(screen, first)


def test_the_order_of_the_readme_ends_with_the_last_result(screen):
    starter = make(screen, "actis", 12)
    reference = make(screen, "classical", 7, is_reference=True)
    assert_counts(screen, starter)
    assert_counts(screen, make(screen, "cellulus", 10))

    make(screen, "actis", 15)

    assert_counts(screen, starter)
    assert reference.visible
    assert screen.viewer.layers.index(reference) < screen.viewer.layers.index(starter)


def test_painting_stays_above_the_newest_result(screen):
    annotation = new_annotation(screen.viewer, screen.viewer.layers["disks"])
    screen.viewer.layers.selection.active = annotation
    starter = make(screen, "starter")
    make(screen, "classical")
    make(screen, "starter")

    assert screen.viewer.layers.index(starter) < screen.viewer.layers.index(annotation)
    assert screen.viewer.layers.selection.active is annotation


def test_older_results_that_were_corrected_or_shown_again_stay_in_sight(screen):
    corrected = make(screen, "corrected")
    corrected.data_setitem((np.array([0]), np.array([0])), 99)
    wanted = make(screen, "wanted")
    assert corrected.visible
    newer = make(screen, "newer")
    assert not wanted.visible
    wanted.visible = True

    newest = make(screen, "newest")

    assert set(on_top(screen)) == {corrected, wanted, newest}
    assert on_top(screen)[0] is newest
    assert not newer.visible
    assert taken(screen) == [newest] * 3


def test_what_is_chosen_by_hand_is_shown_counted_and_taken_everywhere(screen):
    older = make(screen, "older", 5)
    newer = make(screen, "newer", 9)

    for name in ("export_labels", "score_prediction"):
        part(screen, name).setCurrentText(older.name)
        assert_counts(screen, older)
        part(screen, name).setCurrentText(newer.name)
        assert_counts(screen, newer)


def test_labels_of_another_plugin_can_be_written_until_there_is_a_new_result(screen):
    mine = make(screen, "mine")
    foreign = screen.viewer.add_labels(disks(n=3), name="foreign")
    assert part(screen, "export_labels").layer is mine

    part(screen, "export_labels").setCurrentText("foreign")
    assert part(screen, "export_labels").layer is foreign
    assert part(screen, "score_prediction").layer is mine
    make(screen, "mine", 8)

    assert_counts(screen, mine)


def test_the_one_that_the_user_shows_instead_is_taken(screen):
    older, newer = make(screen, "older", 5), make(screen, "newer", 9)
    newer.visible, older.visible = False, True
    assert_counts(screen, older)

    older.visible = False
    assert taken(screen) == [older] * 3, "what was looked at last, while all are hidden"


def test_the_one_that_the_user_drags_on_top_is_taken(screen):
    older, newer = make(screen, "older", 5), make(screen, "newer", 9)
    older.visible = True
    assert taken(screen) == [newer] * 3

    layers = screen.viewer.layers
    layers.move(layers.index(older), layers.index(newer) + 1)

    assert taken(screen) == [older] * 3


def test_when_the_newest_is_removed_the_one_before_comes_back(screen):
    oldest, older, newest = (make(screen, name, n) for name, n in (("a", 4), ("b", 5), ("c", 6)))

    screen.viewer.layers.remove(newest)

    assert_counts(screen, older)
    assert not oldest.visible


def test_a_result_to_compare_with_is_taken_only_while_there_is_no_other(screen):
    reference = make(screen, "classical", is_reference=True)
    assert taken(screen) == [reference] * 3
    result = make(screen, "mine")
    result.visible = False
    assert taken(screen) == [result] * 3


def test_the_count_follows_sliders_corrections_and_undo(screen):
    screen.train(steps=3)
    screen.wait_idle()
    (layer,) = on_top(screen)
    assert screen.status.startswith("16 cells; the classical result has ")

    screen.find(THRESHOLD).setValue(1.0)
    screen.wait(lambda: layer.data.max() != 16)
    screen.wait(lambda: screen.status.startswith(f"{len(np.unique(layer.data)) - 1} cells"))
    screen.find(THRESHOLD).setValue(0.5)
    screen.wait(lambda: screen.status.startswith("16 cells"))
    layer.data_setitem(np.nonzero(layer.data == 3), 0)
    screen.wait(lambda: screen.status.startswith("15 cells"))
    layer.undo()
    screen.wait(lambda: screen.status.startswith("16 cells"))


def test_sliders_bring_back_the_result_that_they_draw(screen):
    screen.train(steps=3)
    screen.wait_idle()
    (drawn,) = on_top(screen)
    other = make(screen, "other", 5)
    assert_counts(screen, other)

    screen.find(THRESHOLD).setValue(0.6)

    screen.wait(lambda: on_top(screen) == [drawn])
    assert_counts(screen, drawn)


def test_a_method_that_learns_nothing_counts_its_cells_once(screen):
    screen.find("method").setCurrentText("Classical")
    screen.click("segment")
    screen.wait_idle()
    screen.wait(lambda: not screen.controller.choices.is_busy)

    (layer,) = on_top(screen)
    assert screen.status == f"{layer.data.max()} cells."
