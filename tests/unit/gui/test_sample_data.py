"""File > Open Sample works offline and gives layers ready to use."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_cellseg_ssl import samples
from napari_cellseg_ssl.core.io.user_files import read_image
from napari_cellseg_ssl.gui import sample_data
from napari_cellseg_ssl.gui.layers.tags import belongs_to


@pytest.mark.parametrize("name", ["nuclei_1", "nuclei_2", "nuclei_3"])
def test_a_sample_is_an_image_with_its_hidden_truth(name):
    image, truth = (Layer.create(*data) for data in getattr(sample_data, name)())

    assert isinstance(image, Image)
    assert isinstance(truth, Labels)
    assert image.data.shape == truth.data.shape == (256, 256)
    assert image.name == name
    assert not truth.visible
    assert truth.data.max() >= 40


@pytest.mark.parametrize("name", ["nuclei_3", "tissue"])
def test_a_painted_sample_brings_an_annotation_that_belongs_to_its_image(name):
    viewer = ViewerModel()
    for data in getattr(sample_data, {"nuclei_3": "nuclei_painted", "tissue": "tissue_painted"}[name])():
        viewer.add_layer(Layer.create(*data))

    annotation, truth = viewer.layers[f"{name} · annotation"], viewer.layers[f"{name} · truth"]

    assert belongs_to(annotation, viewer.layers[name])
    assert {0, 1, 2} <= set(np.unique(annotation.data).tolist())
    assert (truth.data[annotation.data > 1] > 0).all()


def test_the_tissue_is_in_colour():
    image, truth, _painting = (Layer.create(*data) for data in sample_data.tissue_painted())

    assert image.rgb
    assert image.data.shape == (*truth.data.shape, 3)


def test_the_grey_samples_can_be_learned_from_as_a_folder():
    stacks = [read_image(path) for path in sorted(samples.IMAGES.iterdir())]

    assert len(stacks) == len(samples.NAMES)
    assert {stack.n_channels for stack in stacks} == {1}
