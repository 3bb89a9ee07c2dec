"""Learning from several images: other layers and files."""

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

import fakes
from drawings import disks, painting, picture
from napari_cellseg_ssl.gui.annotate.painting import new_annotation

SIZES = {"disks": (64, 64), "wide": (64, 96), "tall": (128, 64)}


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def learned_from(monkeypatch):
    """Remember every training set that the fake method gets."""
    sets, train = [], fakes.FakeMethod.train
    monkeypatch.setattr(fakes.METHOD, "train", lambda *args: (sets.append(args[0]), train(fakes.METHOD, *args))[1])
    return sets


def open_images(screen, *names):
    for name in names:
        screen.viewer.add_image(picture(disks(SIZES[name])), name=name)
    screen.find("image").setCurrentText("disks")
    screen.find("more").setChecked(True)


def row(screen, name):
    listed = screen.find("more_images")
    items = [listed.topLevelItem(i) for i in range(listed.topLevelItemCount())]
    return next((item for item in items if item.text(0) == name), None)


def check(screen, *names):
    for name in names:
        row(screen, name).setCheckState(0, Qt.CheckState.Checked)


def write_files(folder, *names, array=None):
    folder.mkdir(exist_ok=True)
    for name in names:
        tifffile.imwrite(folder / name, picture(disks()) if array is None else array)
    return folder


def add(screen, monkeypatch, button, path):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(path))
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(path)], ""))
    screen.click(button)
    screen.wait(lambda: not screen.controller.choices.more.is_reading)


def test_three_images_of_different_sizes_are_learned_from_and_the_chosen_one_is_segmented(screen, learned_from):
    open_images(screen, "wide", "tall")
    check(screen, "wide", "tall")
    assert "2 images" in screen.find("more").text()
    screen.find("diameter").setValue(20)
    screen.train(steps=3)
    screen.wait_idle()
    items = learned_from[0].items
    assert [item.image.name for item in items] == ["disks", "wide", "tall"]
    assert [item.image.spatial_shape for item in items] == list(SIZES.values())
    assert [item.diameter for item in items] == [20, pytest.approx(11, abs=3), pytest.approx(11, abs=3)]
    assert "16 cells" in screen.status
    shapes = {layer.data.shape for layer in screen.viewer.layers if "instances" in layer.name}
    assert shapes == {(64, 64)}


def test_an_image_that_is_not_checked_is_not_learned_from(screen, learned_from):
    open_images(screen, "wide", "tall")
    check(screen, "tall")
    assert row(screen, "disks") is None
    screen.train(steps=3)
    screen.wait_idle()
    assert [item.image.name for item in learned_from[0].items] == ["disks", "tall"]


def test_the_labels_of_another_image_are_used(screen, learned_from):
    open_images(screen, "wide", "tall")
    wide = screen.viewer.layers["wide"]
    new_annotation(screen.viewer, wide).data = painting(disks(SIZES["wide"]), n_cells=7)
    screen.find("annotation").setCurrentIndex(0)
    screen.find("image").setCurrentText("tall")
    screen.find("image").setCurrentText("disks")
    screen.wait(lambda: row(screen, "wide").text(1) == "7 cells")
    assert row(screen, "tall").text(1) == "no labels"
    check(screen, "wide", "tall")
    screen.train(steps=3)
    screen.wait_idle()
    counts = [item.annotation and item.annotation.n_cells for item in learned_from[0].items]
    assert counts == [None, 7, None]


def test_what_was_painted_on_one_image_is_not_taken_for_labels_of_another(screen):
    open_images(screen, "wide")
    mine = new_annotation(screen.viewer, screen.viewer.layers["disks"])
    screen.find("annotation").setCurrentText(mine.name)
    screen.find("image").setCurrentText("wide")
    assert screen.controller.annotation_layer is None
    yours = new_annotation(screen.viewer, screen.viewer.layers["wide"])
    screen.find("annotation").setCurrentText(yours.name)
    screen.find("image").setCurrentText("disks")
    assert screen.controller.annotation_layer is mine


def test_removing_an_image_while_it_is_learned_from_is_harmless(screen, learned_from):
    open_images(screen, "wide")
    check(screen, "wide")
    screen.train(steps=100, wait=0.01)
    screen.wait_for_activity("training")
    screen.viewer.layers.remove("wide")
    assert row(screen, "wide") is None
    screen.wait_idle()
    assert screen.controller.state.failure is None
    assert "16 cells" in screen.status
    assert len(learned_from[0].items) == 2


def test_an_image_with_other_channels_cannot_be_checked_and_says_why(screen):
    screen.viewer.add_image(np.stack([picture(disks())] * 3, axis=-1), name="colour", rgb=True)
    open_images(screen)
    assert row(screen, "colour").isDisabled()
    assert "3 channels" in row(screen, "colour").toolTip(0)
    screen.controller.choices.more.check(row(screen, "colour").data(0, Qt.ItemDataRole.UserRole), True)
    assert screen.controller.choices.more.n_chosen == 0


def test_files_are_learned_from_with_labels_of_the_same_name_and_can_be_removed(
    screen, learned_from, monkeypatch, tmp_path
):
    open_images(screen)
    images = write_files(tmp_path / "images", "a.tif", "b.tif", "c.tif")
    labels = write_files(tmp_path / "labels", "b.tif", array=painting(disks(), n_cells=4))
    add(screen, monkeypatch, "add_folder", images)
    assert row(screen, "a.tif").checkState(0) == Qt.CheckState.Checked
    add(screen, monkeypatch, "add_labels", labels)
    assert [row(screen, name).text(1) for name in ("a.tif", "b.tif")] == ["no labels", "4 cells"]
    row(screen, "a.tif").setSelected(True)
    screen.click("remove_files")
    assert row(screen, "a.tif") is None
    screen.train(steps=3)
    screen.wait_idle()
    items = learned_from[0].items
    assert [item.image.name for item in items] == ["disks", "b", "c"]
    assert [item.annotation and item.annotation.n_cells for item in items] == [None, 4, None]


def test_a_file_that_cannot_be_read_is_said_and_another_one_can_be_added(screen, monkeypatch, tmp_path):
    open_images(screen)
    (tmp_path / "broken.tif").write_bytes(b"no picture")
    add(screen, monkeypatch, "add_files", tmp_path / "broken.tif")
    assert "broken.tif" in screen.status
    write_files(tmp_path, "good.tif")
    add(screen, monkeypatch, "add_files", tmp_path / "good.tif")
    assert row(screen, "good.tif") is not None


def test_a_volume_is_learned_from_slice_by_slice(screen, learned_from, monkeypatch, tmp_path):
    open_images(screen)
    tifffile.imwrite(tmp_path / "deep.ome.tif", np.stack([picture(disks())] * 5), metadata={"axes": "ZYX"})
    add(screen, monkeypatch, "add_files", tmp_path / "deep.ome.tif")
    screen.train(steps=3)
    screen.wait_idle()
    assert learned_from[0].items[1].image.frames.shape == (5, 1, 64, 64)


def test_the_tab_of_the_dock_shows_its_ampersand(screen):
    assert screen.dock.parentWidget().windowTitle() == "Train && segment"
