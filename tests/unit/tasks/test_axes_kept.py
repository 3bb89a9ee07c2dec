"""Labels have the axes and the scale of their source, also where its slices were segmented one by one."""

import numpy as np
import pytest
import tifffile

from drawings import disks, picture
from napari_cellseg_ssl.core.io.image_files import read_image
from napari_cellseg_ssl.tasks.axis_policy import Reading
from napari_cellseg_ssl.tasks.export import export
from napari_cellseg_ssl.tasks.requests import ExportRequest


@pytest.mark.parametrize(("axes", "shape"), [("ZYX", (5, 64, 64)), ("TZYX", (2, 3, 64, 64)), ("TYX", (3, 64, 64))])
@pytest.mark.parametrize("file_format", ["tiff", "ome-zarr"])
def test_slices_come_back_as_slices(tmp_path, axes, shape, file_format):
    file = tmp_path / "a.tif"
    metadata = {"axes": axes, "unit": "um"} | ({"spacing": 3.0} if "Z" in axes else {})
    pixels = np.broadcast_to(picture(disks()).astype(np.uint16), shape)
    tifffile.imwrite(file, np.array(pixels), imagej=True, resolution=(2, 2), metadata=metadata)
    image = Reading(spatial_ndims=(2,)).file(file)
    labels = np.broadcast_to(disks(), (len(image.frames), 64, 64))

    list(export(ExportRequest(image=image, labels=labels, folder=tmp_path / "out", file_format=file_format)))

    (written,) = (tmp_path / "out").iterdir()
    back = read_image(written)
    assert back.axes == axes
    assert back.is_calibrated
    assert back.spacing == ((3.0, 0.5, 0.5) if "Z" in axes else (0.5, 0.5))
    assert np.asarray(back.frames).size == np.prod(shape)


class Named:
    """An array whose dimensions have names, as xarray's."""

    def __init__(self, data, *dims):
        self.data, self.dims = data, dims


@pytest.mark.parametrize(
    ("dims", "shape"),
    [(("y", "x", "channel"), (5, 7, 2)), (("Time", "Y", "X"), (3, 5, 7)), (("z", "y", "x"), (4, 5, 7))],
)
def test_names_of_dimensions_are_believed(dims, shape):
    image = Reading().array(Named(np.ones(shape), *dims), "a")

    assert image.axes == "".join(dim[0].upper() for dim in dims)
