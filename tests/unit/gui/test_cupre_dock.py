"""Both stages of CUPre in the dock: what the button says, what the status says next, stopping and going on."""

from dataclasses import replace

import numpy as np
import pytest

from drawings import disks, painting
from napari_cellseg_ssl.core.methods import registry

TINY = {"detector": "tiny", "crop": 64, "tile": 32, "view": 32, "tiles": 4, "queue": 64, "working_diameter": 12.0}
ENDLESS = 100_000
NEXT = "Now paint a few cells and click Fine-tune."


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def two_methods(monkeypatch):
    """Offer CUPre first, and the classical method."""
    names = ("cupre", "classical")
    monkeypatch.setattr(registry, "METHODS", {name: registry.METHODS[name] for name in names})


def set_options(screen, **options):
    form = screen.dock.method._form
    form.set_value(replace(form.value(), **{**TINY, **options}))
    form.changed.emit(form.value())
    screen.find("limit_time").setChecked(False)


def paint(screen):
    screen.viewer.add_labels(painting(disks(), n_cells=8), name="painted")
    screen.wait(lambda: screen.controller.state.n_cells == 8)


def hint(screen):
    return screen.find("stage_hint").text()


def pretrain(screen, **options):
    set_options(screen, **{"steps": 3, **options})
    screen.click("train")
    screen.wait_for_activity("training", "predicting")
    screen.wait_idle()
    return screen


def test_with_nothing_painted_the_button_pretrains_and_asks_for_a_source(screen):
    assert screen.find("train").text() == "Pre-train"
    assert "finds nothing by itself" in hint(screen)

    screen.find("option_source").setText("shapes")

    assert "drawn shapes" in hint(screen)


def test_with_painted_cells_the_button_fine_tunes(screen):
    paint(screen)

    assert screen.find("train").text() == "Fine-tune"
    assert "begins at random" in hint(screen)


def test_other_methods_have_no_stages(screen):
    screen.find("method").setCurrentIndex(1)

    assert not screen.find("stage_hint").isVisibleTo(screen.dock)


def test_after_a_pretraining_the_status_says_what_to_do_and_the_model_is_gone_on_from(screen):
    pretrain(screen)

    assert screen.status.endswith(NEXT)
    assert screen.find("go_on").isChecked()
    paint(screen)
    assert screen.find("train").text() == "Fine-tune"
    assert "the pre-trained model learns your painted cells" in hint(screen)

    pretrained = screen.controller.bundle
    screen.click("train")
    screen.wait(lambda: screen.controller.bundle is not pretrained)
    screen.wait_idle()

    assert screen.controller.bundle.provenance.parent == pretrained.id
    assert NEXT not in screen.status
    assert screen.find("train").text() == "Train on"


def test_whoever_does_not_want_to_go_on_is_not_asked_again(screen):
    pretrain(screen)
    screen.find("go_on").setChecked(False)
    paint(screen)

    assert not screen.find("go_on").isChecked()
    assert "begins at random" in hint(screen)


def test_while_it_learns_without_labels_the_dock_says_so_and_draws_chance(screen):
    set_options(screen, steps=ENDLESS)
    screen.click("train")
    screen.wait(lambda: screen.dock.train.plot.n_points > 2)

    assert "2 learns what your images look like" in screen.status
    assert "views found" in screen.status
    others = TINY["queue"] + TINY["tiles"] - 1
    assert screen.dock.train.plot.level == pytest.approx([np.log(1 + others)] * 2)
    screen.click("stop")
    screen.wait_idle()


def test_a_stop_while_it_learns_without_labels_keeps_the_model_and_says_what_to_do(screen):
    set_options(screen, steps=ENDLESS)
    screen.click("train")
    screen.wait(lambda: len(screen.controller.state.curve.steps) > 2)
    screen.click("stop")
    screen.wait_idle()

    assert screen.controller.bundle.provenance.reason == "stopped"
    assert "Stopped" in screen.status
    assert screen.status.endswith(NEXT)


@pytest.mark.parametrize("is_painted", [False, True])
def test_an_interrupted_stage_goes_on_where_it_was(screen, sessions, is_painted):
    if is_painted:
        paint(screen)
    set_options(screen, steps=16)
    screen.click("train")
    screen.wait(lambda: bool(screen.controller.state.curve.steps))
    phase = screen.controller.state.phase
    screen.click("stop")
    screen.wait_idle()
    stopped = screen.controller.bundle
    assert 0 < stopped.provenance.steps < 16
    (folder,) = sessions.glob("*/001 cupre")
    (folder / "run.json").unlink()  # as if the computer had died

    screen.controller.open_run(folder)
    screen.wait(lambda: screen.controller.bundle is not stopped, 60_000)
    assert screen.controller.state.phase == phase or screen.controller.state.activity != "training"
    screen.wait_idle()

    assert screen.controller.bundle.provenance.steps == 16
    assert (NEXT in screen.status) is not is_painted


def test_cells_painted_during_an_interrupted_pretraining_do_not_make_it_a_fine_tuning(screen, sessions):
    set_options(screen, steps=16)
    screen.click("train")
    screen.wait(lambda: bool(screen.controller.state.curve.steps))
    screen.click("stop")
    screen.wait_idle()
    stopped = screen.controller.bundle
    (folder,) = sessions.glob("*/001 cupre")
    (folder / "run.json").unlink()
    paint(screen)

    screen.controller.open_run(folder)
    screen.wait(lambda: screen.controller.bundle is not stopped, 60_000)
    screen.wait_idle()

    assert "contrast" in screen.controller.bundle.provenance.scores
    assert screen.status.endswith(NEXT)
