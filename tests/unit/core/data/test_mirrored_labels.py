"""Crops that reach beyond an image's edge: what is mirrored there are cells of their own."""

import numpy as np
import pytest
import tifffile
from scipy import ndimage
from skimage.measure import label as connected

from napari_cellseg_ssl import samples
from napari_cellseg_ssl.core.data.scaling import resize_labels
from napari_cellseg_ssl.core.methods.maunet.options import MaunetOptions
from napari_cellseg_ssl.core.methods.maunet.sampling import Sampler
from napari_cellseg_ssl.core.methods.maunet.targets import targets
from napari_cellseg_ssl.core.training import labelled_crops, pasting
from napari_cellseg_ssl.core.training.augment import look_up_cells
from napari_cellseg_ssl.core.training.frames import Frame

AROUND = 260
EVERYWHERE = np.ones((3, 3))


def middle_of_sample(side):
    """Nuclei about 26 px wide."""
    cells = resize_labels(tifffile.imread(samples.LABELS / "nuclei_3.tif").astype(np.int32), (512, 512))
    start = (512 - side) // 2
    return cells[start : start + side, start : start + side]


def frame_of(cells):
    return Frame(pixels=(cells > 0)[None].astype(np.float32), cells=cells, known=np.ones(cells.shape, bool))


@pytest.fixture
def places(monkeypatch):
    """Where the pixels of each crop came from."""
    drawn, draw = [], labelled_crops.random_positions

    def remember(*args, **kwargs):
        drawn.append(draw(*args, **kwargs))
        return drawn[-1]

    monkeypatch.setattr(labelled_crops, "random_positions", remember)
    return drawn


@pytest.mark.parametrize("side", [128, 256, 512])
def test_cells_near_an_edge_have_the_closeness_of_a_larger_image(places, side):
    cells, options = middle_of_sample(side), MaunetOptions(rescaled=1.0, pasted=0.0)
    larger = connected(np.pad(cells, AROUND, mode="symmetric"), background=0)

    found = Sampler([frame_of(cells)], options).labelled(np.random.default_rng(0), 24).closeness.numpy()

    margin = (places[0].shape[1] - options.crop) // 2
    kept = slice(margin, -margin)
    looked_up = [larger[tuple(np.rint(place).astype(int) + AROUND)] for place in places]
    wanted = np.stack([targets(one).closeness[kept, kept] for one in looked_up])
    right = wanted > 0
    assert (found[right] < 0).mean() < 0.002  # lost
    assert (np.abs(found - wanted)[right & (found >= 0)] > 0.02).mean() < 0.002


def test_what_is_pasted_is_one_cell_that_nothing_covers(monkeypatch):
    cells = middle_of_sample(128)
    sampler = labelled_crops.LabelledSampler([frame_of(cells)], 96, pasted=0.9, mirrored=True)
    copied, move = [], pasting._shifted

    def remember(frame, shift):
        if frame.dtype == bool:
            copied.append(frame)
        return move(frame, shift)

    monkeypatch.setattr(pasting, "_shifted", remember)
    for seed in range(3):
        sampler.labelled(np.random.default_rng(seed), 8)

    assert len(copied) > 100
    assert all(ndimage.label(one, EVERYWHERE)[1] == 1 for one in copied)


def test_every_cell_of_a_crop_is_in_one_piece():
    cells = np.zeros((100, 120), np.int32)
    cells[4:24, 10:30], cells[40:60, 6:30], cells[70:95, 80:118] = 1, 2, 3
    crops = labelled_crops.LabelledSampler([frame_of(cells)], 96, pasted=0.0, mirrored=True)

    drawn = crops.labelled(np.random.default_rng(0), 60)

    assert all(ndimage.label(one.cells == id_, EVERYWHERE)[1] == 1 for one in drawn for id_ in one.cell_ids)


def test_no_copy_takes_the_id_of_another_cell_of_the_image():
    cells = np.zeros((60, 200), np.int32)
    cells[5:20, 5:20], cells[20:40, 170:190] = 1, 2
    left = np.stack(np.mgrid[-30:60, -30:60]).astype(np.float32)

    assert set(np.unique(look_up_cells(cells, left))) == {0, 1, 3, 4, 5}


def test_a_cell_that_was_painted_in_two_pieces_stays_one_within_the_image():
    cells = np.zeros((200, 200), np.int32)
    cells[90:110, 90:99] = cells[90:110, 101:110] = 1
    crops = labelled_crops.LabelledSampler([frame_of(cells)], 64, pasted=0.0, affine=0.0, mirrored=True)

    drawn = crops.labelled(np.random.default_rng(0), 20)

    assert all(one.cell_ids.tolist() in ([], [1]) for one in drawn)
