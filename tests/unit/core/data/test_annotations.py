"""Unpainted means unknown, except inside complete regions."""

import numpy as np
import pytest

from napari_cellseg_ssl.core.data import messages as data_messages
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.errors import WrongAnnotation
from saying import saying


def painted():
    labels = np.zeros((6, 8), np.uint8)
    labels[1:3, 1:3] = 2
    labels[5] = 1
    return labels


def test_zero_is_unknown_one_is_background_and_the_rest_are_cells():
    note = Annotation.from_painting(painted())

    assert note.cells.shape == note.known.shape == (1, 6, 8)
    assert note.cells.dtype == np.int32
    assert set(np.unique(note.cells)) == {0, 2}
    assert note.known[0, 5].all()
    assert note.known.sum() == 8 + 4
    assert note.n_cells == 1
    assert note.has_background


def test_inside_a_complete_region_unpainted_means_background():
    note = Annotation.from_painting(painted(), complete=[((0, 4), (0, 4))])

    assert note.known[0, :4, :4].all()
    assert not note.known[0, 0, 5]


def test_a_region_that_sticks_out_of_the_image_is_cut():
    note = Annotation.from_painting(painted(), complete=[((-5, 2), (6, 99))])

    assert note.known[0, :2, 6:].all()
    assert not note.known[0, 4, 7]


def test_everything_is_known_in_a_dense_label_image():
    note = Annotation.from_dense(np.array([[0, 1], [2, 2]]))

    assert note.known.all()
    assert note.n_cells == 2


def test_ids_are_counted_per_frame():
    labels = np.zeros((2, 4, 4), int)
    labels[:, 0, 0] = 5

    assert Annotation.from_painting(labels).n_cells == 2


def test_whole_numbers_stored_as_floats_are_fine_and_fractions_are_not():
    assert Annotation.from_dense(np.array([[0.0, 3.0]])).n_cells == 1
    with pytest.raises(WrongAnnotation, match=saying(data_messages.labels_are_not_whole_numbers)):
        Annotation.from_dense(np.array([[0.5]]))


def test_negative_ids_are_refused_with_the_range():
    with pytest.raises(WrongAnnotation, match="-3 to 4"):
        Annotation.from_painting(np.array([[-3, 4]]))


def test_the_users_array_is_not_changed():
    labels = painted()
    before = labels.copy()

    Annotation.from_painting(labels, complete=[((0, 6), (0, 8))])

    assert np.array_equal(labels, before)
