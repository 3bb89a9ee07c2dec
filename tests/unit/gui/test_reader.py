"""Label files that the plugin wrote come back as Labels, over their image or with their scale."""

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel

from drawings import disks, picture
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.gui import reader
from napari_cellseg_ssl.gui.reader import get_reader
from napari_cellseg_ssl.tasks.export import export
from napari_cellseg_ssl.tasks.requests import ExportRequest


@pytest.fixture(params=["tiff", "ome-zarr"])
def written(request, tmp_path):
    image = ImageStack.from_array(picture(disks()), name="disks", spacing=(0.5, 0.5))
    labels = disks()[None]
    list(export(ExportRequest(image=image, labels=labels, folder=tmp_path, file_format=request.param)))
    (file,) = tmp_path.iterdir()
    return file


def opened(file):
    ((array, settings, kind),) = get_reader(str(file))(str(file))
    assert kind == "labels"
    return ViewerModel().add_labels(array, **settings)


def test_own_labels_are_labels_with_their_scale(written, monkeypatch):
    monkeypatch.setattr(reader.napari, "current_viewer", lambda: None)

    layer = opened(written)

    assert np.array_equal(np.asarray(layer.data), disks())
    assert layer.scale.tolist() == [0.5, 0.5]
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]


def test_they_lie_exactly_over_their_image_where_it_is_open(written, monkeypatch):
    viewer = ViewerModel()
    image = viewer.add_image(picture(disks()), name="disks", scale=(2, 3), translate=(10, 20))
    monkeypatch.setattr(reader.napari, "current_viewer", lambda: viewer)

    layer = opened(written)

    assert np.array_equal(layer.extent.world, image.extent.world)


def test_labels_of_others_are_left_to_napari(tmp_path):
    tifffile.imwrite(tmp_path / "a_labels.tif", disks().astype(np.uint16))

    assert get_reader(str(tmp_path / "a_labels.tif")) is None
