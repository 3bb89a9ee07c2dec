import numpy as np
import pytest

from napari_cellseg_ssl.core.segmentation.boundaries import boundaries
from napari_cellseg_ssl.core.training.pasting import LabelledCrop, paste_cell

SIDE = 64


def crop_with(*places, cell_width=14, level=0.8, known=None):
    """Square cells of even brightness at places (y, x) on a dark ground."""
    cells = np.zeros((SIDE, SIDE), np.int32)
    for k, (y, x) in enumerate(places, start=1):
        cells[y : y + cell_width, x : x + cell_width] = k
    known = np.ones(cells.shape, bool) if known is None else known | (cells > 0)
    return LabelledCrop(pixels=np.where(cells > 0, level, 0.1).astype(np.float32)[None], cells=cells, known=known)


NOTHING_KNOWN = np.zeros((SIDE, SIDE), bool)


def test_a_cell_pasted_into_a_crop_of_one_cell_touches_it_often():
    crop, source = crop_with((25, 25), known=NOTHING_KNOWN), crop_with((10, 10), known=NOTHING_KNOWN)
    rng = np.random.default_rng(0)
    pasted = [paste_cell(crop, source, np.array([1]), rng) for _ in range(40)]

    assert all(len(one.cell_ids) == 2 for one in pasted)
    touching = [boundaries(one.cells, one.known).any() for one in pasted]
    assert np.mean(touching) > 0.5


def test_a_cell_on_painted_background_shows_where_it_ends_though_nobody_painted_its_surroundings():
    stroke = NOTHING_KNOWN.copy()
    stroke[30:34] = True
    crop, source = crop_with(known=stroke), crop_with((10, 10), known=NOTHING_KNOWN)
    rng = np.random.default_rng(1)
    pasted = [paste_cell(crop, source, np.array([1]), rng) for _ in range(20)]

    assert not boundaries(source.cells, source.known).any()
    assert all(boundaries(one.cells, one.known).any() for one in pasted)


def test_only_the_cell_itself_is_copied_since_its_surroundings_may_be_unknown():
    crop, source = crop_with((25, 25), known=NOTHING_KNOWN), crop_with((10, 10), known=NOTHING_KNOWN)
    source.pixels[:, source.cells == 0] = 1e6
    pasted = paste_cell(crop, source, np.array([1]), np.random.default_rng(0))

    assert pasted.pixels.max() < 1.0
    assert pasted.known.sum() <= (crop.cells > 0).sum() + (source.cells > 0).sum()


@pytest.mark.parametrize(
    ("places", "whole"), [([], [1]), ([(0, 10)], [1]), ([(10, 10)], [])], ids=["no cell", "cut by the crop", "cut"]
)
def test_what_is_not_a_whole_cell_is_not_pasted(places, whole):
    crop = crop_with((25, 25))
    assert paste_cell(crop, crop_with(*places), np.array(whole, int), np.random.default_rng(0)) is crop


def test_a_crop_of_which_nothing_is_known_stays_as_it_is():
    crop = crop_with(known=NOTHING_KNOWN)
    assert paste_cell(crop, crop_with((10, 10)), np.array([1]), np.random.default_rng(0)) is crop
