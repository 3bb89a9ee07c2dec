"""Whether labels are a painting or complete, and masks: guessed and said in one place."""

import numpy as np
import pytest

from drawings import disks, painting
from napari_cellseg_ssl.core.data import messages
from napari_cellseg_ssl.core.data.labels_mode import annotations_of, guess_labels_mode
from napari_cellseg_ssl.core.errors import WrongAnnotation
from saying import saying


def rods():
    """Thirty rods, 9 px by 69 px: the first is as long as all others."""
    labels = np.zeros((256, 256), int)
    for n, (y, x) in enumerate((y, x) for y in range(16, 250, 24) for x in (45, 130, 210)):
        labels[y - 4 : y + 5, x - 34 : x + 35] = n + 1
    return labels


def cut_in_two():
    """Sixteen disks of which the first lost its middle."""
    labels = disks()
    rows = np.flatnonzero((labels == 1).any(axis=1))
    middle = int(np.median(rows))
    labels[middle : middle + 2][labels[middle : middle + 2] == 1] = 0
    return labels


@pytest.mark.parametrize("labels", [rods(), cut_in_two(), disks()], ids=["rods", "cut", "disks"])
def test_a_first_cell_like_the_others_is_a_cell(labels):
    assert guess_labels_mode([labels[None]]) == "dense"


def test_strokes_are_background():
    assert guess_labels_mode([painting(disks())[None]]) == "sparse"


def test_a_mask_is_split_into_its_pieces_and_that_is_said():
    told = []

    (note,) = annotations_of([np.where(disks() > 0, 255, 0)[None]], ["a"], None, told.append)

    assert note.n_cells == 16
    assert note.known.all()
    assert told == [messages.mask_is_split(255, 16)]


def test_zeros_and_ones_are_asked_about_and_split_once_they_are_said_to_be_complete():
    mask = (disks() > 0).astype(np.uint8)[None]

    with pytest.raises(WrongAnnotation, match=saying(messages.mask_or_background, name="a")):
        annotations_of([mask], ["a"])

    assert annotations_of([mask], ["a"], "dense")[0].n_cells == 16


def test_background_alone_in_one_of_several_images_is_no_mask():
    cells = disks()
    strokes = np.where(cells == 0, 0, 0)
    strokes[::20] = 1

    notes = annotations_of([painting(cells, 8)[None], strokes[None]], ["a", "b"], "sparse")

    assert [note.n_cells for note in notes] == [8, 0]
