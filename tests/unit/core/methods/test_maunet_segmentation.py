from dataclasses import replace

import numpy as np
import pytest

from drawings import disks
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.methods.maunet import INFO
from napari_cellseg_ssl.core.methods.maunet.segment import DEFAULTS, instances, one_watershed, stages, step_by_step
from napari_cellseg_ssl.core.methods.maunet.targets import targets
from napari_cellseg_ssl.core.methods.maunet.validation import Maps, score, search_thresholds
from napari_cellseg_ssl.core.metrics.scores import image_scores
from napari_cellseg_ssl.core.training.held_out import Judged

PUBLISHED = replace(DEFAULTS, outline_threshold=0.0)
ONE = replace(PUBLISHED, watershed="one step")


def by_hand():
    """An example whose four steps can be followed with a pencil, (24, 40).

    Two cells of 8 x 8 px share an interior, 4 px long and 2 px wide, between them; their field is 1 and falls to 0.5 on
    the bridge. A third cell of 6 x 6 px has a field of 0.6 only. A speck of 3 x 3 px is no cell, nor are 5 x 5 px of
    foreground without interior. Foreground reaches one pixel beyond interiors.
    """
    interior = np.zeros((24, 40), bool)
    distance = np.zeros((24, 40), np.float32)
    for rows, columns, height in (
        (slice(3, 11), slice(3, 11), 1.0),
        (slice(6, 8), slice(11, 15), 0.5),
        (slice(3, 11), slice(15, 23), 1.0),
        (slice(15, 21), slice(4, 10), 0.6),
        (slice(16, 19), slice(20, 23), 1.0),
    ):
        interior[rows, columns], distance[rows, columns] = True, height
    foreground = np.pad(interior, 1)
    foreground = np.any([np.roll(foreground, shift, axis) for axis in (0, 1) for shift in (-1, 0, 1)], axis=0)[
        1:-1, 1:-1
    ]
    foreground[15:20, 30:35] = True
    probabilities = np.stack([~foreground, interior, foreground & ~interior]).astype(np.float32)
    return probabilities, distance


def perfect(cells):
    """Maps that a perfect network would predict."""
    wanted = targets(cells)
    probabilities = np.stack([wanted.classes == index for index in range(3)]).astype(np.float32)
    distance = np.where(wanted.closeness < 0, 0.9, wanted.closeness)  # unknown in cells at the edge
    return probabilities, distance


def test_the_four_steps_of_an_example_worked_by_hand():
    found = stages(*by_hand(), PUBLISHED)

    # Step 1: the speck of 9 px is gone. 172 px of interior are left in 2 parts, (64 + 8 + 64) and 36.
    assert found.interior.sum() == 172
    assert not found.interior[16:19, 20:23].any()
    # Step 2: two cores, one in each of the joined cells, none in the faint one.
    assert found.cores.max() == 2
    assert found.cores[7, 6] == 1
    assert found.cores[7, 19] == 2
    assert not found.cores[6:8, 12:14].any()
    # They meet in the middle of the bridge and cover the interior that they share, no more.
    assert (found.cored[3:11, 3:11] == 1).all()
    assert (found.cored[6:8, 11:13] == 1).all()
    assert (found.cored[6:8, 13:15] == 2).all()
    assert (found.cored[3:11, 15:23] == 2).all()
    assert (found.cored > 0).sum() == 136
    # Step 3: the faint cell is found by its peak.
    assert found.peaks.max() == 1
    assert found.peaks[15:21, 4:10].any()
    assert (found.peaked[15:21, 4:10] == 1).all()
    assert (found.peaked > 0).sum() == 36
    assert not ((found.cored > 0) & (found.peaked > 0)).any()
    # Step 4: all three grow by the one pixel of foreground around them; where no seed is, no cell is.
    assert found.labels.max() == 3
    assert (found.labels[2, 3:11] == 1).all()
    assert (found.labels[14, 4:10] == 3).all()
    assert not found.labels[15:20, 30:35].any()
    assert found.core_threshold == 0.8


def test_one_watershed_joins_what_the_four_steps_take_apart():
    probabilities, distance = by_hand()

    assert one_watershed(probabilities, distance, ONE).max() == 2
    assert np.array_equal(instances(probabilities, distance, ONE), one_watershed(probabilities, distance, ONE))


def test_perfect_maps_give_the_cells_back():
    cells = np.zeros((100, 120), np.int32)
    cells[:30, :40] = 1  # in the corner
    cells[40:70, 20:50], cells[40:70, 50:80] = 2, 3  # touching
    cells[80:97, 90:110] = 4
    for truth in (cells, disks((96, 96), radius=9, pitch=24)):
        scores = image_scores(truth, instances(*perfect(truth)))

        assert scores.ap_10_90 == 1.0
        assert scores.seg > 0.99
        assert image_scores(truth, instances(*perfect(truth), PUBLISHED)).seg < 0.92


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (40, 40)])
def test_nothing_is_found_in_nothing(shape):
    empty = np.stack([np.ones(shape), np.zeros(shape), np.zeros(shape)]).astype(np.float32)

    found = stages(empty, np.zeros(shape, np.float32))

    assert not found.labels.any()
    assert found.lost == 1.0


def test_everything_can_be_foreground():
    everything = np.stack([np.zeros((20, 20)), np.ones((20, 20)), np.zeros((20, 20))]).astype(np.float32)

    assert (instances(everything, np.ones((20, 20), np.float32)) == 1).all()


def test_a_weak_field_has_cores_relative_to_its_highest_value():
    probabilities, distance = by_hand()

    found = stages(probabilities, 0.5 * distance)

    assert found.core_threshold == pytest.approx(
        0.85 * 0.5 * stages(probabilities, distance).smooth[found.interior].max()
    )
    assert found.labels.max() == 3


def test_what_is_lost_is_told():
    probabilities, distance = by_hand()

    found = stages(probabilities, distance, PUBLISHED)

    lost = (found.foreground & (found.labels == 0)).sum()
    assert found.lost == pytest.approx(lost / found.foreground.sum())
    assert lost == 25 + 9 + 12  # the patch without interior, and the speck with its rim


def as_maps(*frames):
    return PredictionMaps(
        arrays={
            "probability": np.stack([probabilities for probabilities, _ in frames]),
            "distance": np.stack([distance[None] for _, distance in frames]),
        },
        specs={spec.name: spec for spec in INFO.maps},
        scale=1.0,
        source_shape=frames[0][1].shape,
        diameter=8.0,
        bundle_id="",
        image_name="",
    )


def test_an_empty_frame_of_a_movie_loses_nothing():
    frame = by_hand()
    empty = np.stack([np.ones(frame[1].shape), *np.zeros((2, *frame[1].shape))]).astype(np.float32), 0 * frame[1]

    one, movie = step_by_step(as_maps(frame), PUBLISHED), step_by_step(as_maps(frame, empty), PUBLISHED)

    assert movie.remark == one.remark
    assert f"{stages(*frame, PUBLISHED).lost:.0%}" in one.remark
    assert "In 0% of the foreground" in step_by_step(as_maps(empty), PUBLISHED).remark


def test_fragments_are_joined_where_the_field_hardly_falls_between_them():
    probabilities, distance = by_hand()
    distance[6:8, 11:15] = 0.99
    high = replace(DEFAULTS, core_threshold=0.97)

    apart = stages(probabilities, distance, high).labels
    together = stages(probabilities, distance, replace(high, widest_contact=0.6)).labels

    assert apart.max() == together.max() + 1


def test_small_objects_are_deleted_one_by_one():
    probabilities, distance = by_hand()

    labels = instances(probabilities, distance, replace(DEFAULTS, min_size=0.9))

    assert labels.max() == 2


def test_thresholds_can_be_anything():
    probabilities, distance = by_hand()
    for name in ("background_threshold", "interior_threshold", "outline_threshold", "core_threshold", "peak_threshold"):
        for value in (0.0, 1.0):
            assert instances(probabilities, distance, replace(DEFAULTS, **{name: value})).min() >= 0


def test_the_search_finds_thresholds_that_fit_what_is_painted():
    cells = disks((96, 96), radius=7, pitch=24)
    probabilities, distance = perfect(cells)
    faint = np.stack([1 - 0.6 * (1 - probabilities[0]), 0.6 * probabilities[1], 0.6 * probabilities[2]])
    judged = [Judged(pixels=np.zeros((1, 96, 96), np.float32), cells=cells, known=np.ones_like(cells, bool))]
    maps = [Maps(faint.astype(np.float32), distance, np.zeros_like(distance))]

    assert score(maps, judged).f1 == 0.0
    for quick in (False, True):
        options, found = search_thresholds(maps, judged, quick=quick)
        assert options.interior_threshold < 0.6
        assert options.background_threshold > 0.4
        assert found.f1 == score(maps, judged, options).f1 == 1.0
