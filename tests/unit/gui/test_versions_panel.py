"""Versions of a session in a real window: kept by themselves, compared, and brought back with their labels."""

from dataclasses import replace

import numpy as np
import pytest

from drawings import disks, painting
from napari_cellseg_ssl.gui.annotate.painting import new_annotation
from napari_cellseg_ssl.gui.session import consent
from napari_cellseg_ssl.gui.session.keeper import MODEL_ONLY, PUT_BACK
from napari_cellseg_ssl.tasks.session.versions import list_versions, load_version


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def answer(monkeypatch):
    """Answer every question of the plugin, and remember that it was asked."""
    asked = []

    def give(wanted):
        monkeypatch.setattr(consent, "ask", lambda *words: asked.append(words) or wanted)
        return asked

    return give


def paint(screen):
    """Paint as a user would, on the layer that the dock learns from."""
    layer = new_annotation(screen.viewer, screen.controller.image_layer)
    layer.data_setitem(np.nonzero(painting(disks())), painting(disks())[painting(disks()) > 0])
    screen.controller.choices.choose_annotation(layer, "sparse")
    return layer


def learn(screen, steps):
    n = len(screen.controller.state.versions)
    screen.train(steps=steps)
    screen.wait(lambda: len(screen.controller.state.versions) == n + 1)
    screen.wait_idle()


def choose(screen, *numbers):
    versions = screen.find("versions")
    versions.clearSelection()
    for place in range(versions.topLevelItemCount()):
        item = versions.topLevelItem(place)
        item.setSelected(int(item.text(0)) in numbers)


def test_each_training_adds_a_version_with_what_was_painted(screen):
    paint(screen)
    learn(screen, 3)
    learn(screen, 4)
    rows = screen.find("versions")
    assert [rows.topLevelItem(i).text(0) for i in range(2)] == ["2", "1"]
    assert rows.topLevelItem(0).text(3) == f"{len(np.unique(painting(disks()))) - 2} cells"
    assert rows.topLevelItem(0).font(0).bold()
    assert not rows.topLevelItem(1).font(0).bold()


def test_a_version_comes_back_with_the_very_weights_and_labels(screen, answer):
    layer = paint(screen)
    learn(screen, 3)
    first, painted = screen.controller.bundle, layer.data.copy()
    layer.data_setitem(np.nonzero(layer.data == 2), 0)
    layer.data_setitem((np.array([1]), np.array([1])), 77)
    learn(screen, 4)
    layer.data_setitem((np.array([2]), np.array([2])), 78)
    asked = answer(PUT_BACK)

    choose(screen, 1)
    screen.click("restore_version")
    screen.wait(lambda: screen.controller.state.current == 1)
    screen.wait_idle()

    assert len(asked) == 1
    np.testing.assert_array_equal(layer.data, painted)
    assert screen.controller.bundle.id == first.id
    versions = list_versions(screen.controller.session.autosave.room)
    now = {kept.hash for kept in screen.controller.session.autosave.painted(layer)}
    assert now == set(versions[0].labels.values())
    assert [version.origin for version in versions] == ["learned", "learned", "kept"]


def test_what_was_painted_since_comes_back_too(screen, answer):
    layer = paint(screen)
    learn(screen, 3)
    layer.data_setitem((np.array([2]), np.array([2])), 78)
    later = layer.data.copy()
    answer(PUT_BACK)
    choose(screen, 1)
    screen.click("restore_version")
    screen.wait(lambda: len(screen.controller.state.versions) == 2)
    screen.wait_idle()
    choose(screen, 2)
    screen.click("restore_version")
    screen.wait(lambda: screen.controller.state.current == 2)
    screen.wait_idle()
    np.testing.assert_array_equal(layer.data, later)


@pytest.mark.parametrize("wanted", [MODEL_ONLY, None])
def test_labels_are_not_touched_without_consent(screen, answer, wanted):
    layer = paint(screen)
    learn(screen, 3)
    learn(screen, 4)
    layer.data_setitem((np.array([2]), np.array([2])), 78)
    later = layer.data.copy()
    answer(wanted)
    choose(screen, 1)
    screen.click("restore_version")
    screen.wait_idle()
    np.testing.assert_array_equal(layer.data, later)
    assert screen.controller.state.current == (2 if wanted is None else 1)


def test_weights_that_were_changed_behind_our_back_are_not_restored(screen):
    learn(screen, 3)
    learn(screen, 4)
    weights = screen.controller.state.versions[0].folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    choose(screen, 1)
    screen.click("restore_version")
    screen.wait(lambda: screen.controller.state.failure is not None)
    assert "weights of version 1" in screen.status
    assert screen.controller.state.current == 2


def test_two_versions_are_compared_on_the_image(screen):
    learn(screen, 3)
    learn(screen, 4)
    choose(screen, 1, 2)
    screen.click("compare")
    screen.wait(lambda: "F1 1.00" in screen.find("compared").text())
    screen.wait_idle()
    left, right = (screen.viewer.layers[f"disks · version {n}"] for n in (1, 2))
    half = left.data.shape[-1] // 2
    assert left.data[:, :half].any()
    assert not left.data[:, half:].any()
    assert right.data[:, half:].any()
    screen.find("divider").setValue(0)
    screen.wait(lambda: not left.data.any())
    assert len(np.unique(right.data)) == 17
    assert not screen.viewer.layers["disks · where they differ"].data.any()


def test_a_saved_run_that_is_opened_is_a_version_with_its_labels(screen, tmp_path):
    layer = paint(screen)
    learn(screen, 3)
    layer.data_setitem((np.array([2]), np.array([2])), 78)
    screen.controller.save_run(tmp_path / "mine")
    screen.wait_idle()
    screen.controller.open_run(tmp_path / "mine")
    screen.wait(lambda: len(screen.controller.state.versions) == 2)
    screen.wait_idle()
    first, opened = screen.controller.state.versions
    assert opened.origin == "opened"
    assert opened.folder.parent == screen.controller.session.autosave.room
    assert opened.labels == first.labels


def test_a_tuned_model_is_a_version_that_shares_the_weights(screen):
    learn(screen, 3)
    bundle = screen.controller.bundle
    screen.controller.keep_options(replace(bundle.segment_options, threshold=0.7))
    screen.wait(lambda: len(screen.controller.state.versions) == 2)
    screen.wait_idle()
    first, tuned = screen.controller.state.versions
    assert tuned.origin == "tuned"
    assert load_version(tuned)[0].segment_options.threshold == 0.7
    assert (first.folder / "weights.safetensors").samefile(tuned.folder / "weights.safetensors")
    assert screen.controller.state.has_maps
