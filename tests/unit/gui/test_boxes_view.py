"""Boxes are a layer as long as a button is down, and scores are in the features of the cells."""

import json

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

import fakes
from drawings import disks, picture
from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.layers.edited_layers import edits_of
from napari_cellseg_ssl.gui.layers.layout import layout_of
from napari_cellseg_ssl.gui.layers.tags import kind_of
from napari_cellseg_ssl.gui.session.results import show
from napari_cellseg_ssl.gui.views import boxes_view
from napari_cellseg_ssl.gui.views.boxes_view import BOXES, placed, show_boxes
from napari_cellseg_ssl.gui.views.score_features import scores_in
from napari_cellseg_ssl.tasks import LabelsReady

NAME = "disks · boxes"


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


def found(boxes, scores):
    n = len(boxes)
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(n, 4),
        scores=np.array(scores, np.float32),
        classes=np.zeros(n, np.int64),
        masks=np.ones((n, 28, 28), np.float32),
    )


def detected(maps, options):
    """What a detector would say of the cells that the fake method finds: the later ones are surer."""
    from scipy import ndimage

    frames = []
    for frame in fakes.METHOD.segment(maps, options):
        places = [place for place in ndimage.find_objects(frame) if place is not None]
        boxes = [(x.start, y.start, x.stop, y.stop) for y, x in places]
        frames.append(found(boxes, np.linspace(0.5, 0.95, len(boxes))))
    return tuple(frames)


@pytest.fixture
def detecting(monkeypatch):
    """Let the fake method have boxes and scores."""
    monkeypatch.setattr(fakes.METHOD, "boxes", detected, raising=False)
    monkeypatch.setattr(
        fakes.METHOD,
        "scored",
        lambda maps, options: (
            fakes.METHOD.segment(maps, options),
            tuple(frame.scores for frame in detected(maps, options)),
        ),
        raising=False,
    )


@pytest.fixture
def segmented(detecting, open_screen):
    screen = open_screen()
    screen.train(steps=2)
    screen.wait_idle()
    screen.wait(lambda: "disks · instances" in layer_names(screen))
    return screen


def layer_names(screen):
    return [layer.name for layer in screen.viewer.layers]


def test_methods_without_boxes_do_not_offer_them(screen):
    assert not screen.find("show_boxes").isVisibleTo(screen.dock)


def test_the_box_of_every_cell_is_shown_and_coloured_by_its_score(segmented):
    assert segmented.find("show_boxes").isVisibleTo(segmented.dock)
    segmented.click("show_boxes")
    segmented.wait(lambda: NAME in layer_names(segmented))

    boxes = segmented.viewer.layers[NAME]
    cells = segmented.viewer.layers["disks · instances"].data
    assert (boxes.nshapes, kind_of(boxes), boxes.editable) == (16, BOXES, False)
    for corners, label in zip(boxes.data, boxes.features["label"], strict=True):
        where = np.argwhere(cells == label)
        np.testing.assert_allclose(corners.min(0), where.min(0) - 0.5)
        np.testing.assert_allclose(corners.max(0), where.max(0) + 0.5)
    assert len(np.unique(boxes.edge_color, axis=0)) == 16
    assert boxes.features["score"].iloc[-1] == pytest.approx(0.95)
    names = layer_names(segmented)
    assert names.index(NAME) > names.index("disks · instances")
    segmented.wait(lambda: "16 boxes" in segmented.find("steps_note").text())


def test_boxes_follow_a_slider_in_the_same_layer(segmented):
    segmented.click("show_boxes")
    segmented.wait(lambda: NAME in layer_names(segmented))
    names = layer_names(segmented)

    segmented.find("option_threshold").setValue(1.0)

    segmented.wait(lambda: segmented.viewer.layers[NAME].nshapes != 16)
    boxes = segmented.viewer.layers[NAME]
    assert boxes.nshapes == len(boxes.features) == len(boxes.edge_color)
    assert layer_names(segmented) == names


def test_many_boxes_wait_for_the_button(segmented, monkeypatch):
    monkeypatch.setattr(boxes_view, "FOLLOWED", 10)
    segmented.click("show_boxes")
    segmented.wait(lambda: NAME in layer_names(segmented))

    segmented.find("option_threshold").setValue(0.9)

    segmented.wait(lambda: not segmented.find("show_boxes").isChecked())
    assert not segmented.viewer.layers[NAME].visible
    assert messages.press_for_boxes() in segmented.find("steps_note").text()

    segmented.click("show_boxes")
    segmented.wait(lambda: segmented.viewer.layers[NAME].visible)


def test_when_the_button_is_up_the_boxes_are_hidden(segmented):
    segmented.click("show_boxes")
    segmented.wait(lambda: NAME in layer_names(segmented))
    segmented.click("show_boxes")

    assert not segmented.viewer.layers[NAME].visible
    assert not segmented.find("steps_note").isVisibleTo(segmented.dock)


def test_cells_have_their_scores_as_features(segmented):
    cells = segmented.viewer.layers["disks · instances"]

    assert list(cells.features["index"]) == list(range(1, 17))
    np.testing.assert_allclose(cells.features["score"], np.linspace(0.5, 0.95, 16), atol=1e-6)


def test_boxes_of_movies_lie_on_their_frames():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((3, 2, 20, 30)), name="movie", axis_labels=("t", "c", "y", "x"))
    frames = (found([(0, 0, 4, 6)], [0.9]), found([], []), found([(1, 2, 3, 5), (0, 0, 1, 1)], [0.8, 0.7]))

    layer = show_boxes(viewer, image, placed(frames, layout_of(image, ndim=2), 1.0), "fake")

    assert layer.ndim == 4
    assert [float(corners[0, 0]) for corners in layer.data] == [0, 2, 2]
    np.testing.assert_allclose(layer.data[1][:, 2:], [(1.5, 0.5), (1.5, 2.5), (4.5, 2.5), (4.5, 0.5)])
    np.testing.assert_allclose(layer.scale, viewer.layers["movie"].scale * [1, 2, 1, 1])


def test_no_boxes_are_a_layer_without_any():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((20, 30)), name="empty")

    for frames in ((found([], []),), (found([(0, 0, 4, 6)], [0.9]),), (found([], []),)):
        layer = show_boxes(viewer, image, placed(frames, layout_of(image, ndim=2), 1.0), "fake")

        assert (layer.nshapes, layer.editable) == (len(frames[0]), False)
    assert len(viewer.layers) == 2


@pytest.fixture
def window():
    viewer = ViewerModel()
    image = viewer.add_image(picture(disks()), name="disks")
    assert isinstance(image, Image)

    def write(labels, scores):
        show(viewer, image, LabelsReady(labels[None], fakes.FakeSegmentOptions(), 10.0, (scores,)), "fake", None)
        return viewer.layers["disks · instances"]

    return write


def test_what_a_person_corrected_has_no_score_and_others_keep_theirs(window):
    cells, scores = disks(), np.linspace(0.9, 0.6, 16).astype(np.float32)
    layer = window(cells, scores)
    layer.data_setitem(np.nonzero(cells == 3), 0)  # deleted
    layer.data_setitem(tuple(np.argwhere(cells == 0)[0]), 5)  # changed
    assert edits_of(layer, 0).ids == {5}
    (kept,) = scores_in(layer)
    assert np.isnan(kept[4])
    assert kept[5] == scores[5]

    order = np.concatenate([[0], 1 + np.arange(16)[::-1]])  # the same cells, found in another order
    layer = window(order[cells].astype(np.int32), scores)

    table = dict(zip(layer.features["index"], layer.features["score"], strict=True))
    assert 5 not in table
    for label, score in table.items():
        (was,) = np.unique(cells[layer.data == label])
        assert score == scores[order[was] - 1], label
    assert len(table) == 14
    assert set(table) == set(np.unique(layer.data)) - {0, 5}


def test_exported_coco_masks_have_the_scores(segmented, make_napari_viewer, tmp_path, qtbot):
    from napari_cellseg_ssl.gui.panels.export import ExportPanel

    panel = ExportPanel(segmented.controller)
    qtbot.addWidget(panel)
    panel.folder.setText(str(tmp_path))
    panel.labels.choose(segmented.viewer.layers["disks · instances"])
    panel.coco.setChecked(True)

    panel.export()
    segmented.wait(lambda: "Wrote" in panel.message.text())

    written = json.loads((tmp_path / "disks_coco.json").read_text())["annotations"]
    np.testing.assert_allclose([one["score"] for one in written], np.linspace(0.5, 0.95, 16), atol=1e-6)
    assert "score" in segmented.viewer.layers["disks · instances"].features
