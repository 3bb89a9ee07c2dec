"""The search from the dock: the best as a list, a look at each, and keeping one."""

import re

import numpy as np
import pytest
from qtpy.QtWidgets import QListWidget

from drawings import disks, painting, picture
from fakes import FakeSegmentOptions
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.gui.annotate.painting import new_annotation
from napari_cellseg_ssl.gui.panels.tune import differences


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def tuned(screen):
    """A dock after a search that began with a threshold that finds nothing."""
    screen.train(steps=3)
    screen.wait_idle()
    screen.viewer.add_labels(painting(disks(), n_cells=4), name="painted")
    screen.find("annotation").setCurrentText("painted")
    screen.find("option_threshold").setValue(0.95)
    screen.wait(lambda: not screen.controller._redraws.is_busy)
    screen.click("tune")
    screen.wait_idle()
    screen.wait(lambda: screen.find("tune_best").isEnabled())
    return screen


def _lines(screen):
    best = screen.dock.findChild(QListWidget, "cellseg_tune_best")
    return [best.item(place).text() for place in range(best.count())]


def _start(screen):
    """Line of the values that the search began with."""
    return next(place for place, line in enumerate(_lines(screen)) if line.endswith("as it was"))


def test_the_best_are_listed_with_scores_and_what_they_change(tuned):
    lines = _lines(tuned)

    assert re.fullmatch(r"1\.00   [01]\.\d\d   threshold 0\.\d+", lines[0])
    assert 3 < len(lines) <= 6  # five, and the one that the search began with
    assert lines[_start(tuned)][:4] < "0.50"
    assert tuned.find("tune_best").currentRow() == 0
    assert tuned.find("tune_best").isVisible()


def test_a_click_on_a_line_moves_the_sliders_and_draws_its_cells(tuned):
    instances = tuned.viewer.layers["disks · instances"]
    assert instances.data.max() == 16

    tuned.find("tune_best").setCurrentRow(_start(tuned))

    tuned.wait(lambda: instances.data.max() != 16)
    assert tuned.find("option_threshold").value() == pytest.approx(0.95)
    tuned.find("tune_best").setCurrentRow(0)
    tuned.wait(lambda: instances.data.max() == 16)
    assert tuned.find("option_threshold").value() < 0.95


def test_use_keeps_the_chosen_values_in_the_model_and_in_what_is_saved(tuned, tmp_path):
    tuned.find("tune_best").setCurrentRow(1)
    chosen = tuned.find("option_threshold").value()
    before = tuned.controller.bundle

    tuned.click("tune_use")
    tuned.wait_idle()

    assert tuned.controller.bundle.segment_options.threshold == pytest.approx(chosen)
    assert tuned.controller.bundle.id == before.id
    tuned.wait(lambda: not tuned.find("tune_use").isEnabled())  # it is what the model has
    tuned.controller.save_run(tmp_path / "run")
    tuned.wait_idle()
    saved = ModelBundle.load(tmp_path / "run")
    assert saved.segment_options.threshold == pytest.approx(chosen)
    assert np.array_equal(saved.weights["total"], before.weights["total"])


def test_what_was_found_goes_with_the_image_that_it_was_found_on(tuned):
    tuned.viewer.add_image(np.zeros((32, 32)) + np.arange(32), name="other")
    tuned.find("image").setCurrentText("other")

    tuned.wait(lambda: not tuned.find("tune_best").isVisible())
    assert _lines(tuned) == []


def test_a_second_search_lists_only_its_own(tuned):
    tuned.find("tune_best").setCurrentRow(0)
    tuned.click("tune")
    tuned.wait_idle()

    assert _lines(tuned)[_start(tuned)].startswith("1.00 ")


def test_differences_are_told_in_the_words_of_the_sliders():
    assert differences(FakeSegmentOptions(threshold=0.25), FakeSegmentOptions()) == ["threshold 0.25"]
    assert differences(FakeSegmentOptions(), FakeSegmentOptions()) == []


def test_cells_painted_on_an_image_beside_the_chosen_one_are_searched_for(screen):
    screen.viewer.add_image(picture(disks()), name="painted")
    beside = screen.viewer.layers["painted"]
    new_annotation(screen.viewer, beside).data[:] = painting(disks())
    screen.find("image").setCurrentText("disks")
    more = screen.controller.choices.more
    more.check(next(row.key for row in more.rows() if row.name == "painted"), True)
    screen.train(steps=3)
    screen.wait_idle()
    screen.find("option_threshold").setValue(0.95)
    screen.wait(lambda: not screen.controller._redraws.is_busy)

    screen.click("tune")
    screen.wait_idle()

    assert _lines(screen)[0].startswith("1.00 ")
    screen.wait(lambda: screen.viewer.layers["disks · instances"].data.max() == 16)


def test_values_of_one_method_are_not_searched_on_the_maps_of_another(screen):
    screen.train(steps=3)
    screen.wait_idle()
    screen.viewer.add_labels(painting(disks()), name="painted")
    screen.wait(lambda: screen.find("tune").isEnabled())

    screen.find("method").setCurrentText("Classical")

    assert not screen.find("tune").isEnabled()
    assert not screen.find("option_threshold_factor").isEnabled()
