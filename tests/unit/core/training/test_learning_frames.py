from dataclasses import replace

import numpy as np
import pytest

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.methods.actis.sampling import Sampler
from napari_cellseg_ssl.core.segmentation.boundaries import BOUNDARY, INTERIOR, UNKNOWN
from napari_cellseg_ssl.core.training import frames as frames_module
from napari_cellseg_ssl.core.training.diameters import steady_diameters
from napari_cellseg_ssl.core.training.frames import Frame, load_frames
from napari_cellseg_ssl.core.training.held_out import judge, within_area


def item(side, diameter, *, cell_width=None, n_cells=4, n_frames=1):
    """An image with square cells of a width, annotated completely when there are any."""
    labels = np.zeros((n_frames, side, side), np.int32)
    for k in range(n_cells if cell_width else 0):
        labels[:, 4 + k * (cell_width + 4) :, 4:][:, :cell_width, :cell_width] = k + 1
    pixels = np.random.default_rng(side).normal(0, 0.1, labels.shape) + (labels > 0)
    note = Annotation.from_dense(labels) if cell_width else None
    return TrainingItem(image=ImageStack.from_array(pixels, "TYX", name="a"), annotation=note, diameter=diameter)


def test_diameters_that_somebody_gave_are_kept():
    data = TrainingSet((item(64, 30.0, cell_width=8), item(64, 30.0), item(400, 30.0)))
    assert steady_diameters(data) == [30.0, 30.0, 30.0]


def test_whole_images_keep_their_own_estimates():
    data = TrainingSet((item(400, 20.0), item(400, 5.0), item(500, 30.0)))
    assert steady_diameters(data) == pytest.approx([20.0, 5.0, 30.0])


def test_a_tile_with_a_wild_estimate_is_kept_near_the_others():
    data = TrainingSet((item(400, 20.0), item(400, 21.0), item(128, 2.5)))
    assert steady_diameters(data)[2] == pytest.approx(10.0)


def test_an_annotated_tile_is_sized_by_its_cells():
    width = 12
    diameter = width * (4 / np.pi) ** 0.5
    data = TrainingSet((item(128, 3.0, cell_width=width), *(item(128, diameter, cell_width=width) for _ in range(4))))
    assert steady_diameters(data)[0] == pytest.approx(diameter, rel=0.01)


def test_cells_that_nobody_painted_do_not_size_a_tile():
    tile = item(128, 3.0, cell_width=12)
    note = replace(tile.annotation, pseudo=tile.annotation.known)
    data = TrainingSet((replace(tile, annotation=note), item(128, 24.0), item(128, 25.0)))

    assert steady_diameters(data)[0] == pytest.approx(12.0)  # an octave below the others


def test_cells_cut_by_the_edge_of_a_tile_and_debris_do_not_say_how_large_cells_are():
    labels = np.zeros((1, 128, 128), np.int32)
    labels[0, 40:60, 40:60] = 1
    labels[0, :4, 90:110] = 2
    labels[0, 100:103, 20:23] = 3
    cut = TrainingItem(
        image=ImageStack.from_array(labels.astype(np.float32), "TYX"),
        annotation=Annotation.from_dense(labels),
        diameter=3.0,
    )
    data = TrainingSet((cut, item(128, 24.0), item(128, 25.0)))

    assert steady_diameters(data)[0] == pytest.approx(20 * (4 / np.pi) ** 0.5)


def test_objects_have_the_working_diameter_after_loading():
    data = TrainingSet((item(200, 12.0, cell_width=12),))
    (frame,) = load_frames(data, Intensity(), 24.0, seed=0)

    assert frame.pixels.shape == (1, 400, 400)
    assert frame.pixels.dtype == np.float32
    assert sorted(np.bincount(frame.cells.ravel())[1:]) == [576] * 4


def test_a_large_image_is_cut_into_blocks_that_lose_no_labelled_pixel(monkeypatch):
    monkeypatch.setattr(frames_module, "BLOCK", 64)
    whole = item(150, 24.0, cell_width=24)
    blocks = load_frames(TrainingSet((whole,)), Intensity(), 24.0, seed=0)

    assert len(blocks) == 9
    assert sum(int((block.cells > 0).sum()) for block in blocks) == int((whole.annotation.cells > 0).sum())


def test_unlabelled_images_beyond_the_memory_are_left_out_and_labelled_ones_are_not(monkeypatch):
    monkeypatch.setattr(frames_module, "MOST_PIXELS", 50_000)
    data = TrainingSet((*(item(200, 24.0) for _ in range(5)), *(item(200, 24.0, cell_width=24) for _ in range(3))))

    found = load_frames(data, Intensity(), 24.0, seed=0)

    assert sum(frame.has_labels for frame in found) == 3
    assert len(found) < 8


def test_what_is_judged_stays_within_its_area():
    (frame,) = load_frames(TrainingSet((item(400, 24.0, cell_width=24),)), Intensity(), 24.0, seed=0)
    judged = judge(frame)

    few = within_area([judged, judged], 10_000)

    assert sum(one.known.size for one in few) <= 10_000
    assert few[0].n_cells > 0


def test_crops_around_painted_things_always_show_something_known():
    painted = load_frames(TrainingSet((item(300, 24.0, cell_width=24), item(300, 24.0))), Intensity(), 24.0, seed=0)
    batch = Sampler(painted, 64).labelled(np.random.default_rng(0), 30)

    assert batch.images.shape == (30, 1, 64, 64)
    assert bool((batch.classes >= 0).flatten(1).any(1).all())
    assert set(np.unique(batch.classes)) <= {-1, 0, 1, 2}


def test_an_image_smaller_than_a_crop_can_be_learned_from():
    (frame,) = load_frames(TrainingSet((item(40, 24.0, cell_width=12, n_cells=1),)), Intensity(), 24.0, seed=0)
    batch = Sampler([frame], 96).anywhere(np.random.default_rng(0), 4)

    assert batch.images.shape == (4, 1, 96, 96)
    assert bool((batch.classes >= 0).all())  # its labels go on beyond its edge, mirrored like its pixels


def cut_cell(pseudo=None):
    """Crops of an image smaller than they, with one bright cell that its left edge cuts, and nothing else known."""
    cells = np.zeros((40, 40), np.int32)
    cells[12:28, :14] = 1
    pixels = (cells > 0).astype(np.float32)[None]
    return Sampler([Frame(pixels=pixels, cells=cells, known=cells > 0, pseudo=pseudo)], 96)


def test_a_painted_cell_has_its_boundary_in_the_dark_around_it_and_none_where_the_image_ends():
    batch = cut_cell().labelled(np.random.default_rng(0), 40)

    boundary = batch.images[:, 0][batch.classes == BOUNDARY]
    assert len(boundary) > 1000
    assert (boundary < 0.6).float().mean() > 0.97  # deformed crops are interpolated
    assert (batch.images[:, 0][batch.classes == INTERIOR] > 0.4).float().mean() > 0.97


def test_what_other_methods_found_does_not_end_exactly_where_they_say():
    batch = cut_cell(pseudo=np.ones((40, 40), bool)).anywhere(np.random.default_rng(0), 4)

    assert set(np.unique(batch.classes)) == {UNKNOWN, INTERIOR}
