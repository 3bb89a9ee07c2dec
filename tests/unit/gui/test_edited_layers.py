"""Corrected instances are known as the user's, also after saving, and can be let go of."""

import json

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

from napari_cellseg_ssl.gui.annotate.edit_marks import hide_marks, show_marks
from napari_cellseg_ssl.gui.layers.edited_layers import EDITS, edits_of, follow, forget_edits
from napari_cellseg_ssl.gui.layers.outputs import show_labels
from napari_cellseg_ssl.gui.layers.tags import KEY, find_layer


def _labels(frames=2):
    labels = np.zeros((frames, 24, 30), np.int32)
    labels[:, 2:12, 2:12], labels[:, 12:22, 15:25] = 1, 2
    return labels


def _shown(frames=2):
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((frames, 24, 30)), name="cells")
    return viewer, image, show_labels(viewer, image, _labels(frames), method="fake")


def _edit(layer):
    """Delete cell 2 and widen cell 1, on frame 1."""
    layer.data_setitem((np.array([1]), np.array([12]), np.array([5])), 1)
    layer.data_setitem(np.nonzero(np.where(np.arange(2)[:, None, None] == 1, layer.data, 0) == 2), 0)


def test_edits_are_known_frame_by_frame_and_undone_ones_are_none():
    _viewer, _image, layer = _shown()
    _edit(layer)

    assert edits_of(layer, 1).ids == {1}
    np.testing.assert_array_equal(edits_of(layer, 1).deleted, _labels()[1] == 2)
    assert not edits_of(layer, 0)

    layer.undo()
    layer.undo()
    assert not edits_of(layer, 1)
    assert layer.metadata[KEY][EDITS] == {}


def test_a_frame_without_edits_is_replaced_and_one_with_edits_keeps_them():
    viewer, image, layer = _shown()
    _edit(layer)

    show_labels(viewer, image, np.roll(_labels(), 1, axis=2), method="fake")

    np.testing.assert_array_equal(layer.data[0], np.roll(_labels(), 1, axis=2)[0])
    np.testing.assert_array_equal(
        layer.data[1] > 0, (_labels()[1] == 1) | (np.indices((24, 30)) == [[[12]], [[5]]]).all(0)
    )


def test_edits_are_still_known_when_the_layer_is_opened_again():
    viewer, image, layer = _shown()
    _edit(layer)
    edits_of(layer, 1)
    saved = json.loads(json.dumps(layer.metadata))
    data = layer.data.copy()
    viewer.layers.remove(layer)
    again = Labels(data, name="cells · instances", metadata=saved)
    again.metadata[KEY] |= {"image_id": str(image.unique_id), "layer_id": str(again.unique_id)}
    viewer.add_layer(again)

    follow(again)

    assert edits_of(again, 1).ids == {1}
    assert show_labels(viewer, image, _labels(), method="fake") is again
    np.testing.assert_array_equal(again.data, data)


def test_what_a_person_forgets_is_replaced_by_the_next_result_only():
    viewer, image, layer = _shown()
    _edit(layer)
    edited = layer.data.copy()

    forget_edits(layer)

    np.testing.assert_array_equal(layer.data, edited)
    assert not edits_of(layer, 1)
    assert show_labels(viewer, image, _labels(), method="fake") is layer
    np.testing.assert_array_equal(layer.data, _labels())


def test_marks_lie_on_what_was_edited_and_stay_out_of_the_way():
    viewer, image, layer = _shown()
    _edit(layer)
    viewer.layers.selection.active = layer

    show_marks(viewer, image, layer, 1, edits_of(layer, 1))

    marks = find_layer(viewer, image, "corrections")
    assert viewer.layers.selection.active is layer
    np.testing.assert_allclose(marks.data, [[1, 6.54, 6.49], [1, 16.5, 19.5]], atol=0.02)
    assert [str(symbol) for symbol in marks.symbol] == ["disc", "x"]

    show_marks(viewer, image, layer, 0, edits_of(layer, 0))
    assert len(marks.data) == 0
    hide_marks(viewer, image)
    assert not marks.visible


def test_a_layer_that_was_given_other_pixels_has_no_edits():
    _viewer, _image, layer = _shown()
    layer.data = np.ones((5, 24, 30), np.int32)
    assert not edits_of(layer, 4)
