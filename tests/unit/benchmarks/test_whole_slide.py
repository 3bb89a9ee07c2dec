"""How the benchmark of whole slides finds seams."""

import numpy as np
import pytest

from benchmarks.speed import whole_slide


def disk(labels, middle, id_, radius=13):
    y, x = np.ogrid[: labels.shape[0], : labels.shape[1]]
    labels[(y - middle[0]) ** 2 + (x - middle[1]) ** 2 <= radius**2] = id_


def test_objects_that_the_frame_cuts_are_not_compared_and_others_with_their_best_partner():
    alone = np.zeros((40, 60), np.int32)
    alone[0:10, 5:15], alone[15:25, 5:15], alone[15:25, 30:40], alone[28:34, 50:55] = 1, 2, 3, 4
    found = np.zeros_like(alone)
    found[15:25, 5:15], found[15:25, 30:38], found[15:25, 38:40] = 7, 8, 9  # the same, cut in two, missed

    assert whole_slide.agreement(found, alone) == pytest.approx([1.0, 0.8, 0.0])


def test_only_objects_with_a_straight_end_on_the_line_count_as_cut():
    labels = np.zeros((200, 300), np.int32)
    disk(labels, (100, 40), 1)  # across the line, whole
    disk(labels, (86, 100), 2)  # ends at the line by chance
    disk(labels, (100, 160), 3)
    disk(labels, (100, 220), 5)
    labels[100:][labels[100:] == 3] = 4  # in two
    labels[100:][labels[100:] == 5] = 0  # one half lost

    assert whole_slide.cut_along(labels, 0, 100) == 3
    assert whole_slide.cut_along(np.ascontiguousarray(labels.T), 1, 100) == 3
    assert whole_slide.cut_along(labels, 0, 150) == 0


def test_crops_lie_across_borders_or_between_them():
    shape, lines = (1000, 900), ([400, 700], [450])
    across, within = (
        list(crops(shape, lines, 250, 20, np.random.default_rng(0)))
        for crops in (whole_slide.crops_across, whole_slide.crops_within)
    )

    def crossed(crop):
        return any(s.start < line < s.stop for s, found in zip(crop, lines, strict=True) for line in found)

    assert len(across) == len(within) == 20
    assert all(crossed(crop) for crop in across)
    assert not any(crossed(crop) for crop in within)
    assert all(
        s.stop - s.start == 250 and s.start >= 0 and s.stop <= n
        for crop in across
        for s, n in zip(crop, shape, strict=True)
    )
