"""Regions that are similar to a model, in Python."""

import numpy as np
import pytest

import napari_cellseg_ssl as cs
from drawings import disks, picture
from napari_cellseg_ssl.core.errors import WrongOption, WrongRun
from napari_cellseg_ssl.tasks import messages as tasks_messages
from saying import saying

SMALL = {"steps": 2, "detector": "tiny", "crop": 64, "tile": 48, "view": 32, "tiles": 4, "queue": 64}


@pytest.fixture(scope="module")
def model():
    return cs.train("cupre", images=picture(disks((128, 128))), options=SMALL, object_diameter=11)


def test_a_model_says_what_looks_alike_to_it(model):
    found = cs.alike(model, picture(disks((128, 128))), (30, 40), count=3)

    assert len(found) == 4
    assert found.boxes.shape == (4, 4)
    x1, y1, x2, y2 = found.boxes[0]
    assert x1 < 40 < x2
    assert y1 < 30 < y2


def test_frames_are_counted(model):
    movie = np.stack([picture(disks((128, 128)), seed=seed) for seed in range(2)])

    assert len(cs.alike(model, movie, (1, 30, 40), count=2)) == 3


def test_a_method_that_cannot_is_refused():
    model = cs.train("classical", images=picture(disks()))

    with pytest.raises(WrongRun, match=saying(tasks_messages.does_not_find_similar)):
        cs.alike(model, picture(disks()), (30, 30))


def test_asking_for_nothing_is_refused(model):
    with pytest.raises(WrongOption, match="0 regions"):
        cs.alike(model, picture(disks((128, 128))), (30, 40), count=0)
