"""Outlines of instances as a zip of ImageJ regions of interest."""

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.io import messages
from napari_cellseg_ssl.core.io.complete_files import complete_file, writing
from napari_cellseg_ssl.core.io.own_files import SOFTWARE


def write_rois(labels: Array, file: Path) -> None:
    """Write one polygon per instance, named by frame and id.

    Parameters
    ----------
    labels : (N, Y, X) int

    Raises
    ------
    WrongOption
        If the labels are volumes.
    WrongImage
        If the file cannot be written.
    """
    if labels.ndim != 3:
        raise messages.rois_need_planes()
    from roifile import ImagejRoi

    with writing(file), complete_file(file) as unfinished, ZipFile(unfinished, "w") as archive:
        archive.comment = SOFTWARE.encode()
        for n, frame in enumerate(labels):
            for id_, outline in _outlines(frame):
                name = f"{n + 1:04d}-{id_:05d}" if len(labels) > 1 else f"{id_:05d}"
                roi = ImagejRoi.frompoints(outline[:, ::-1], name=name, t=n if len(labels) > 1 else None)
                archive.writestr(f"{name}.roi", roi.tobytes())


def _outlines(frame: Array) -> Iterator[tuple[int, Array]]:
    """Yield id and outer outline (points, 2), in px with corners at whole numbers, of every instance."""
    from skimage.measure import find_contours, regionprops

    for region in regionprops(frame):
        contours = find_contours(np.pad(region.image_filled, 1).astype(float), 0.5)
        longest = max(contours, key=len)
        # Padding adds 1, ImageJ counts from the corner of a px instead of its middle: 0.5.
        yield region.label, longest - 1 + np.array(region.bbox[:2]) + 0.5
