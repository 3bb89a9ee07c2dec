"""File > Open Sample works offline and gives layers ready to use."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_cellseg_ssl.gui import sample_data
from napari_cellseg_ssl.gui.layer_tags import belongs_to


@pytest.mark.parametrize("name", ["nuclei_1", "nuclei_2", "nuclei_3"])
def test_a_sample_is_an_image_with_its_hidden_truth(name):
    image, truth = (Layer.create(*data) for data in getattr(sample_data, name)())

    assert isinstance(image, Image)
    assert isinstance(truth, Labels)
    assert image.data.shape == truth.data.shape == (256, 256)
    assert image.name == name
    assert not truth.visible
    assert truth.data.max() >= 40


def test_the_painted_sample_brings_an_annotation_that_belongs_to_its_image():
    viewer = ViewerModel()
    for data in sample_data.nuclei_painted():
        viewer.add_layer(Layer.create(*data))

    annotation = viewer.layers["nuclei_3 · annotation"]

    assert belongs_to(annotation, viewer.layers["nuclei_3"])
    assert {0, 1, 2} <= set(np.unique(annotation.data).tolist())
