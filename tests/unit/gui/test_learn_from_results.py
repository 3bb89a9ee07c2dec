"""Learning from what other methods found, chosen in the dock."""

import numpy as np
import pytest

from drawings import disks
from napari_cellseg_ssl.core.methods import registry


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def two_methods(monkeypatch):
    """Offer the fake method first, and ACTIS."""
    monkeypatch.setattr(registry, "METHODS", {"fake": "fakes", "actis": registry.METHODS["actis"]})


@pytest.fixture
def actis(open_screen):
    """A window with an image, two results of other methods, and ACTIS chosen."""
    screen = open_screen()
    screen.viewer.add_labels(disks(), name="first")
    screen.viewer.add_labels(np.where(disks() == 2, 0, disks()), name="second")
    screen.find("annotation").setCurrentIndex(0)
    screen.find("method").setCurrentIndex(1)
    return screen


def choose(combo, text):
    combo.setCurrentIndex(combo.findText(text))


def test_results_are_offered_to_methods_that_learn_from_them(actis):
    assert actis.find("results").isVisible()
    assert not actis.find("agreeing").isVisible()

    actis.find("method").setCurrentIndex(0)

    assert not actis.find("results").isVisible()


def test_nothing_is_learned_from_a_result_unasked(actis):
    assert actis.find("results").currentText() == "nothing else"
    assert actis.controller.choices.found() is None


def test_a_result_makes_painting_unnecessary(actis):
    actis.wait(lambda: "painted" in actis.find("reasons").text())
    assert not actis.find("train").isEnabled()

    choose(actis.find("results"), "first")

    actis.wait(lambda: actis.find("train").isEnabled())


def test_only_what_two_results_agree_on_is_learned_from(actis):
    choose(actis.find("results"), "first")
    choose(actis.find("agreeing"), "second")

    (example,) = actis.controller.choices.examples(with_labels=True)
    found = example.found()

    assert found.n_cells == disks().max() - 1
    assert not found.known[0][disks() == 2].any()


def test_a_result_that_is_removed_is_not_learned_from(actis):
    choose(actis.find("results"), "first")

    actis.viewer.layers.remove("first")

    assert actis.controller.choices.found() is None
    assert actis.find("results").currentText() == "nothing else"
