"""The person that the benchmark of the label loop simulates."""

import numpy as np
import pytest

from benchmarks._lib import person
from napari_cellseg_ssl.core.data.images import ImageStack


@pytest.fixture
def picture():
    truth = np.zeros((60, 60), np.int32)
    truth[5:15, 5:15], truth[30:40, 5:15], truth[30:40, 30:40] = 1, 2, 3
    return person.Picture(image=ImageStack.from_array(truth.astype(float)), truth=truth, diameter=10.0)


def proposals_for(picture):
    """A right one that is a little too small, a wrong one that grazes the second cell; the third cell is missed."""
    proposed = np.zeros(picture.truth.shape, np.int32)
    proposed[6:15, 5:15], proposed[38:50, 8:20] = 1, 2
    return proposed


def test_what_is_accepted_has_the_pixels_of_the_proposal_and_not_of_the_truth(picture):
    person.Person([picture], seed=0).work(4, proposals_for)

    cell = picture.painting[10, 10]

    assert cell >= 2
    np.testing.assert_array_equal(picture.painting == cell, proposals_for(picture) == 1)


def test_a_rejected_proposal_becomes_background_except_on_true_cells(picture):
    person.Person([picture], seed=0).work(4, proposals_for)

    rejected = proposals_for(picture) == 2

    assert (picture.painting[rejected & (picture.truth == 0)] == 1).all()
    assert (picture.painting[rejected & (picture.truth == 2)] >= 2).all()


def test_every_cell_is_dealt_with_once_however_many_actions_there_are(picture):
    she = person.Person([picture], seed=0)

    she.work(100, proposals_for)
    she.work(100, proposals_for)

    assert she.spent == 4
    assert len(np.unique(picture.painting[picture.painting > 1])) == 3


def test_a_seed_decides_what_is_painted(picture):
    again = person.Picture(image=picture.image, truth=picture.truth, diameter=10.0)

    person.Person([picture], seed=3).work(2, None)
    person.Person([again], seed=3).work(2, None)

    assert picture.painting.max() == 3
    np.testing.assert_array_equal(picture.painting, again.painting)
