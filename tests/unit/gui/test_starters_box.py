"""A first result without training, and a training that begins with a starter model, in a real window."""

import re
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton

from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.metrics.scores import image_scores
from napari_cellseg_ssl.core.model.starters import load_starter, starters
from napari_cellseg_ssl.gui import sample_data
from napari_cellseg_ssl.gui.session.settings import LearnSettings, training_request
from napari_cellseg_ssl.tasks import messages as tasks_messages
from saying import saying

PATIENCE_MS = 120_000


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def two_methods():
    """Nothing is faked here: what ships is what is tried."""


@pytest.fixture
def open_nuclei(open_screen):
    def make():
        screen = open_screen(image=False)
        (pixels, known, _), (truth, _, _) = sample_data.nuclei_1()
        screen.viewer.add_image(pixels, **known)
        return screen, np.asarray(truth)

    return make


def instances_of(screen):
    return next(np.asarray(one.data) for one in screen.viewer.layers if one.name.endswith("· instances"))


def choose(screen, method_id):
    combo = screen.find("method")
    combo.setCurrentIndex(combo.findData(method_id))


def test_a_starter_that_is_offered_has_a_button_that_says_what_it_is_for(screen):
    for starter in (one for one in starters() if one.offered):
        button = screen.find(f"starter_{starter.name}")
        assert starter.title in button.text()
        assert starter.use in button.toolTip()


def test_there_is_one_button_for_nuclei_however_many_methods_start_from_them(screen):
    names = [button.objectName() for button in screen.dock.findChildren(QPushButton)]

    made = [name.removeprefix("cellseg_starter_") for name in names if name.startswith("cellseg_starter_")]
    assert made == ["nuclei", "multi"]
    assert "nuclei-maunet" in [one.name for one in starters()]


def test_without_an_image_there_is_no_first_result(open_screen):
    assert not open_screen(image=False).find("starter_nuclei").isEnabled()


def test_one_click_finds_nuclei_and_says_that_the_starter_suits_them(open_nuclei):
    screen, truth = open_nuclei()

    screen.click("starter_nuclei")
    screen.wait_idle(PATIENCE_MS)

    assert image_scores(truth, instances_of(screen)).f1_50 > 0.8
    assert re.search(saying(tasks_messages.starter_suits), screen.status)
    assert screen.controller.bundle.id == load_starter("nuclei").id
    assert screen.find("segment").isEnabled()


def test_a_starter_leaves_method_notes_and_versions_of_the_user_alone(open_nuclei):
    screen, _ = open_nuclei()
    choose(screen, "cellulus")

    screen.click("starter_nuclei")
    screen.wait_idle(PATIENCE_MS)

    assert screen.find("method").currentData() == "cellulus"
    screen.wait(lambda: screen.find("train").isEnabled())
    assert not screen.find("notes").isVisible()
    assert screen.controller.state.versions == ()
    assert ("instances", "actis") in screen.kinds()
    assert "a model of ACTIS" in screen.find("borrowed").text()
    seeds = screen.dock.segment.options()
    assert type(seeds) is get_method("actis").info.segment_options
    before = instances_of(screen)

    screen.dock.segment._preview(replace(seeds, min_size=1.0))
    screen.wait(lambda: not np.array_equal(instances_of(screen), before))
    screen.click("segment")
    screen.wait_idle(PATIENCE_MS)
    assert screen.controller.state.failure is None


def test_the_chosen_method_chosen_again_takes_over_from_a_starter(open_nuclei):
    screen, _ = open_nuclei()
    choose(screen, "classical")
    screen.click("starter_nuclei")
    screen.wait_idle(PATIENCE_MS)

    box = screen.find("method")
    box.activated.emit(box.currentIndex())

    assert not screen.find("borrowed").isVisible()
    assert type(screen.dock.segment.options()) is get_method("classical").info.segment_options
    screen.click("segment")
    screen.wait_idle(PATIENCE_MS)
    assert screen.controller.bundle.method_id == "classical"


def test_what_it_was_not_made_for_is_said(open_screen):
    screen = open_screen(image=False)
    y, x = np.mgrid[:128, :128]
    screen.viewer.add_image(np.float32(np.sin(x / 3) + 0.02 * y), name="stripes")

    screen.click("starter_nuclei")
    screen.wait_idle(PATIENCE_MS)

    assert re.search(saying(tasks_messages.starter_may_not_suit), screen.status)


@pytest.mark.parametrize("method_id", ["actis", "maunet"])
def test_a_training_begins_with_a_starter_unless_the_user_says_otherwise(screen, method_id):
    choose(screen, method_id)
    box = screen.find("use_starter")
    assert box.isVisible()
    assert box.isChecked()
    asked = []
    screen.controller.train = asked.append

    screen.dock._train()
    box.setChecked(False)
    screen.dock._train()

    assert [settings.starter for settings in asked] == [True, False]


def test_what_has_no_starter_offers_none(screen):
    for method_id in ("classical", "cellulus"):
        choose(screen, method_id)
        assert not screen.find("use_starter").isVisible()


@pytest.mark.parametrize(
    ("starter", "go_on", "expected"), [(True, False, "auto"), (False, False, None), (True, True, "model")]
)
def test_the_current_model_comes_before_a_starter(screen, tmp_path, starter, go_on, expected):
    info, current = get_method("actis").info, load_starter("nuclei")
    settings = LearnSettings(options=info.train_options(), go_on=go_on, starter=starter)

    request = training_request(settings, info, current, screen.controller.choices, "cpu", tmp_path)

    assert request.start_from == (current if expected == "model" else expected)
