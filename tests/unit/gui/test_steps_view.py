"""The steps of a segmentation are layers as long as a button is down, and follow the sliders."""

import numpy as np
import pytest

import fakes
from napari_cellseg_ssl.core.methods.base import SegmentationSteps
from napari_cellseg_ssl.gui import messages

SEEDS, PARTIAL = "disks · seeds of step 2", "disks · cells after step 2"


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def stepwise(monkeypatch):
    """Let the fake method have steps: a seed per cell, and the cells."""

    def steps(maps, options):
        labels = fakes.METHOD.segment(maps, options)
        seeds = np.zeros_like(labels)
        for cell in np.unique(labels)[1:]:
            seeds[tuple(np.argwhere(labels == cell)[0])] = cell
        return SegmentationSteps(
            seeds={"seeds of step 2": seeds},
            partial={"cells after step 2": labels},
            remark=f"{labels.max()} seeds at {options.threshold:g}.",
        )

    monkeypatch.setattr(fakes.METHOD, "steps", steps, raising=False)


@pytest.fixture
def segmented(stepwise, open_screen):
    screen = open_screen()
    screen.train(steps=2)
    screen.wait_idle()
    return screen


def layer_names(screen):
    return [layer.name for layer in screen.viewer.layers]


def test_methods_without_steps_do_not_offer_them(screen):
    assert not screen.find("show_steps").isVisibleTo(screen.dock)


def test_the_steps_can_be_asked_for_once_there_are_cells(stepwise, open_screen):
    screen = open_screen()
    assert screen.find("show_steps").isVisibleTo(screen.dock)
    assert not screen.find("show_steps").isEnabled()


def test_seeds_lie_above_the_cells_and_what_they_grew_to_is_hidden(segmented):
    segmented.click("show_steps")
    segmented.wait(lambda: SEEDS in layer_names(segmented) and PARTIAL in layer_names(segmented))

    seeds, partial = segmented.viewer.layers[SEEDS], segmented.viewer.layers[PARTIAL]
    names = layer_names(segmented)
    assert (seeds.visible, partial.visible) == (True, False)
    assert names.index(PARTIAL) < names.index("disks · instances") < names.index(SEEDS)
    assert len(np.unique(seeds.data)) - 1 == segmented.viewer.layers["disks · instances"].data.max() == 16
    segmented.wait(lambda: "16 seeds" in segmented.find("steps_note").text())


def test_a_slider_moves_the_steps_too_and_adds_no_layer(segmented):
    segmented.click("show_steps")
    segmented.wait(lambda: SEEDS in layer_names(segmented))
    names = layer_names(segmented)

    segmented.find("option_threshold").setValue(0.9)

    segmented.wait(lambda: "at 0.9" in segmented.find("steps_note").text())
    assert layer_names(segmented) == names


def test_when_the_button_is_up_the_steps_are_out_of_the_way_and_come_back(segmented):
    segmented.click("show_steps")
    segmented.wait(lambda: SEEDS in layer_names(segmented))
    segmented.click("show_steps")
    names = layer_names(segmented)

    assert not segmented.viewer.layers[SEEDS].visible
    assert not segmented.find("steps_note").isVisibleTo(segmented.dock)

    segmented.click("show_steps")
    segmented.wait(lambda: segmented.viewer.layers[SEEDS].visible)
    assert layer_names(segmented) == names


def test_another_image_puts_the_button_up(segmented):
    segmented.click("show_steps")
    segmented.wait(lambda: SEEDS in layer_names(segmented))

    other = segmented.viewer.add_image(np.zeros((20, 20)), name="other")
    segmented.controller.choices.choose_image(other)

    segmented.wait(lambda: not segmented.find("show_steps").isChecked())
    assert not segmented.viewer.layers[SEEDS].visible


def test_steps_are_never_taken_for_painted_cells_or_for_a_result(segmented):
    segmented.click("show_steps")
    segmented.wait(lambda: SEEDS in layer_names(segmented) and PARTIAL in layer_names(segmented))

    assert segmented.controller.annotation_layer is None
    for name in ("annotation", "results", "agreeing"):
        combo = segmented.find(name)
        assert not {SEEDS, PARTIAL} & {combo.itemText(i) for i in range(combo.count())}, name


def test_nothing_is_painted_into_a_step_by_mistake(segmented):
    segmented.click("show_steps")
    segmented.wait(lambda: SEEDS in layer_names(segmented) and PARTIAL in layer_names(segmented))

    assert not any(segmented.viewer.layers[name].editable for name in (SEEDS, PARTIAL))


def test_where_the_steps_fail_the_button_is_up_again(segmented, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(fakes.METHOD, "steps", fail)
    segmented.click("show_steps")

    segmented.wait(lambda: messages.out_of_memory().message in segmented.status)
    assert not segmented.find("show_steps").isChecked()
