"""Fields worth painting: where there is doubt about objects, apart from each other, in different images."""

from dataclasses import replace

import numpy as np
import pytest

from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.inference.where_next import (
    REASONS,
    Clue,
    Field,
    clues_of,
    disagreement_of,
    fields_of,
    rank,
)
from napari_cellseg_ssl.core.metrics.disagreement import disagreements

SIDE = 40


def maps(kind, array):
    array = np.asarray(array, np.float32)
    return PredictionMaps(
        arrays={"m": array},
        specs={"m": MapSpec("m", kind, array.shape[1])},
        scale=1.0,
        source_shape=array.shape[2:],
        diameter=10.0,
        bundle_id="",
        image_name="",
    )


def clue(*doubtful, shape=(1, 200, 240), objects=None):
    doubt = np.zeros(shape, np.float32)
    for place in doubtful:
        doubt[place] = 1
    weights = np.ones(shape, np.float32) if objects is None else objects
    return Clue(kind="probability", doubt=doubt, objects=weights)


def nothing_known(shape=(1, 200, 240)):
    return np.zeros(shape, bool)


def field(image, score, start=0):
    return Field(image=image, frame=0, box=((start, start + 1), (0, 1)), doubts={"probability": score})


def covers(found, place):
    (top, bottom), (left, right) = found.box
    return top <= place[0] < bottom and left <= place[1] < right


def test_the_doubtful_spot_is_in_the_first_field():
    (first, *_rest) = fields_of([clue(np.s_[0, 150:160, 90:100])], nothing_known(), SIDE)
    assert covers(first, (155, 95))
    assert [stop - start for start, stop in first.box] == [SIDE, SIDE]


def test_fields_do_not_overlap_and_the_best_come_first():
    rng = np.random.default_rng(0)
    noise = Clue(kind="confidence", doubt=rng.random((1, 200, 240), np.float32), objects=np.ones((1, 200, 240)))
    found = fields_of([noise], nothing_known(), SIDE)
    taken = np.zeros((200, 240), int)
    for one in found:
        taken[tuple(slice(*side) for side in one.box)] += 1
    assert len(found) == 8
    assert taken.max() == 1
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_what_is_painted_is_in_no_doubt():
    known = nothing_known()
    known[0, 130:180, 70:120] = True
    doubtful = clue(np.s_[0, 150:160, 90:100], np.s_[0, 20:25, 20:25])
    assert all(not covers(one, (155, 95)) for one in fields_of([doubtful], known, SIDE))


def test_doubt_counts_only_where_there_may_be_an_object():
    objects = np.zeros((1, 200, 240), np.float32)
    objects[0, :, 120:] = 1
    doubtful = clue(np.s_[0, 10:30, 10:30], np.s_[0, 100:104, 200:204], objects=objects)
    (only, *_others) = fields_of([doubtful], nothing_known(), SIDE)
    assert covers(only, (102, 202))


def test_a_crowd_of_sure_cells_is_not_worth_more_than_one_doubtful_cell():
    objects, doubt = np.zeros((1, 200, 240), np.float32), np.zeros((1, 200, 240), np.float32)
    objects[0, ::2, :120] = 1
    doubt[0, ::2, :120] = 0.2
    objects[0, 60:80, 180:200] = doubt[0, 60:80, 180:200] = 0.8
    (first, *_others) = fields_of([Clue(kind="probability", doubt=doubt, objects=objects)], nothing_known(), SIDE)
    assert covers(first, (70, 190))


@pytest.mark.parametrize("shape", [(1, 30, 500), (1, 17, 19), (2, 40, 40), (1, 41, 79)])
def test_fields_stay_inside_images_of_any_shape(shape):
    for one in fields_of([clue(np.s_[:], shape=shape)], nothing_known(shape), SIDE):
        assert all(0 <= start < stop <= size for (start, stop), size in zip(one.box, shape[1:], strict=True))


def test_the_frame_of_a_stack_is_told():
    shape = (3, 60, 60)
    (first, *_others) = fields_of([clue(np.s_[2, 5:9, 5:9], shape=shape)], nothing_known(shape), SIDE, image=4)
    assert (first.frame, first.image) == (2, 4)


def test_a_second_field_of_an_image_waits_for_the_first_of_others():
    ranked = rank([field(0, 0.9), field(0, 0.8, 5), field(1, 0.5), field(2, 0.1)], 3)
    assert [(one.image, one.score) for one in ranked] == [(0, 0.9), (1, 0.5), (0, 0.8)]


def test_the_reason_is_the_clue_that_stands_out_not_the_one_that_is_always_high():
    usual = [replace(field(0, 0.5, n), doubts={"probability": 0.5, "disagreement": 0.1}) for n in range(9)]
    odd = replace(field(1, 0.5), doubts={"probability": 0.55, "disagreement": 0.5})
    assert rank([*usual, odd], 1)[0].reason == REASONS["disagreement"]


def test_an_image_that_was_painted_much_waits_too():
    ranked = rank([field(0, 0.9), field(1, 0.5)], 2, painted=[4, 0])
    assert [one.image for one in ranked] == [1, 0]


def test_a_coin_toss_between_classes_is_the_greatest_doubt():
    sure, torn = [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]
    array = np.array([sure, torn]).T.reshape(1, 3, 1, 2)
    (found,) = clues_of(maps("probability", array))
    np.testing.assert_allclose(found.doubt[0, 0], [0, 1], atol=1e-4)
    np.testing.assert_allclose(found.objects[0, 0], [0, 2 / 3], atol=1e-6)


def test_one_channel_is_doubtful_at_a_half():
    (found,) = clues_of(maps("foreground", np.array([0.0, 0.5, 1.0]).reshape(1, 1, 1, 3)))
    np.testing.assert_allclose(found.doubt[0, 0], [0, 1, 0], atol=1e-4)


def test_an_embedding_is_doubtful_between_objects_and_background():
    spread = np.full((1, 1, 8, 30), 0.1)
    spread[..., 10:20], spread[..., 20:] = 2.0, 4.0
    (found,) = clues_of(maps("embedding-uncertainty", spread))
    assert found.doubt[0, 0, 15] > max(found.doubt[0, 0, 0], found.doubt[0, 0, 25])
    assert found.objects[0, 0, 0] == 1
    assert found.objects[0, 0, 25] == 0


def test_other_maps_tell_nothing():
    assert clues_of(maps("distance", np.zeros((1, 1, 4, 4)))) == ()
    assert fields_of([], nothing_known(), SIDE) == []


def test_cells_that_only_one_segmentation_has_are_a_clue():
    mine, other = np.zeros((1, 30, 30), int), np.zeros((1, 30, 30), int)
    mine[0, 2:8, 2:8] = other[0, 2:8, 2:8] = 1
    mine[0, 12:18, 12:18], other[0, 22:28, 22:28] = 2, 2
    found = disagreement_of(mine, other)
    assert not found.doubt[0, 5, 5]
    assert found.doubt[0, 15, 15] == found.doubt[0, 25, 25] == 1
    assert found.objects[0, 5, 5] == 1


def test_disagreements_keep_cells_apart():
    first, second = np.zeros((20, 20), int), np.zeros((20, 20), int)
    first[2:8, 2:8], second[10:16, 10:16] = 3, 3
    assert sorted(np.unique(disagreements(first, second))) == [0, 3, 6]
