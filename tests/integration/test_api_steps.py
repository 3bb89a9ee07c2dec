"""The steps of a segmentation in Python."""

import pytest

import napari_cellseg_ssl as cs
from drawings import disks, painting, picture
from napari_cellseg_ssl.api import messages as api_messages
from napari_cellseg_ssl.core.errors import WrongRun
from saying import saying


def test_a_model_of_maunet_shows_its_steps_with_the_values_asked_for():
    cells = disks()
    options = {"steps": 2, "width": 4, "crop": 32, "batch": 1}
    model = cs.train("maunet", images=picture(cells), labels=painting(cells), options=options)
    maps = cs.predict(model, picture(cells))

    found = cs.steps(model, maps, options={"interior_threshold": 0.0})

    assert list(found.seeds) == ["seeds of step 2", "seeds of step 3"]
    assert all(labels.shape == (1, *cells.shape) for labels in (*found.seeds.values(), *found.partial.values()))


def test_a_method_without_steps_is_refused():
    cells = disks()
    model = cs.train("classical", images=picture(cells))

    with pytest.raises(WrongRun, match=saying(api_messages.one_step_only)):
        cs.steps(model, cs.predict(model, picture(cells)))
