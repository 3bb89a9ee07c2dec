"""What a search segments: painted frames, and of large images a window around the painting."""

import numpy as np
import pytest

from drawings import disks
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.data.scaling import resize_linear
from napari_cellseg_ssl.tasks import painted_part as module
from napari_cellseg_ssl.tasks.painted_part import painted_part

SCALE = 0.5


def _maps(frames, diameter=10.0):
    small = np.stack([resize_linear(frame, tuple(int(n * SCALE) for n in frame.shape))[None] for frame in frames])
    return PredictionMaps(
        arrays={"foreground": small.astype(np.float32)},
        specs={"foreground": MapSpec("foreground", "foreground", 1)},
        scale=SCALE,
        source_shape=frames.shape[1:],
        diameter=diameter,
        bundle_id="",
        image_name="",
    )


@pytest.fixture
def large(monkeypatch):
    """An image with disks, some of which are painted in one place, that counts as large."""
    monkeypatch.setattr(module, "LARGEST", 10_000)
    monkeypatch.setattr(module, "LEAST_MARGIN", 20)
    cells = disks((400, 600))
    painted = np.zeros_like(cells)
    painted[200:240, 300:340] = cells[200:240, 300:340]
    return cells, painted


def test_small_images_are_taken_as_they_are():
    cells = disks()
    note = Annotation.from_painting(np.where(cells == 3, 2, 0))
    maps = _maps(cells[None] > 0.0)

    assert painted_part(maps, note).maps is maps


def test_of_a_large_image_only_the_surroundings_of_the_painting_are_taken(large):
    cells, painted = large
    note = Annotation.from_painting(np.where(painted > 0, painted + 1, 0))

    part = painted_part(_maps((cells > 0)[None].astype(np.float32)), note)

    assert part.known.sum() == note.known.sum()
    height, width = part.cells.shape[1:]
    assert 40 + 2 * 50 < height < 400 / 2
    assert 40 + 2 * 50 < width < 600 / 2
    assert part.maps.source_shape == (height, width)
    assert part.maps.arrays["foreground"].shape[2:] == pytest.approx((height * SCALE, width * SCALE), abs=1)


def test_maps_and_painting_of_a_window_still_fit_each_other(large):
    cells, painted = large
    note = Annotation.from_painting(np.where(painted > 0, painted + 1, 0))
    part = painted_part(_maps((cells > 0)[None].astype(np.float32)), note)

    found = part.maps.labels_to_source((part.maps.arrays["foreground"][:, 0] > 0.5).astype(np.int32)) > 0

    inside = part.cells > 0
    assert found[inside].mean() > 0.85
    assert (found & ~inside)[:, 60:-60, 60:-60].mean() < 0.3


def test_a_painting_at_the_border_needs_no_more_than_there_is(large):
    cells, _ = large
    corner = np.zeros_like(cells)
    corner[:20, :20] = cells[:20, :20]

    part = painted_part(_maps((cells > 0)[None].astype(np.float32)), Annotation.from_painting(corner + (corner > 0)))

    assert part.cells[0, :20, :20].any()
    assert max(part.cells.shape[1:]) < 100
