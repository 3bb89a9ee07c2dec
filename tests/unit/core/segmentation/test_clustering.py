import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from napari_cellseg_ssl.core.segmentation.density_peaks import density_peaks
from napari_cellseg_ssl.core.segmentation.mean_shift import mean_shift
from napari_cellseg_ssl.core.segmentation.merging import join_pieces, touching_pieces
from napari_cellseg_ssl.core.segmentation.otsu import otsu, otsu_per_object

CENTRES = ((14, 20), (16, 60), (44, 35))


def discs(shape=(60, 80), radius=10, noise=0.7):
    """Three discs and, in each pixel of them, an offset to its disc's centre; (2, *shape), (*shape) int."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    embedding = rng.normal(0, 8, (2, *shape)).astype(np.float32)
    for i, (y, x) in enumerate(CENTRES, start=1):
        inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        labels[inside] = i
        target = np.stack([y - rows, x - columns]) + rng.normal(0, noise, (2, *shape))
        embedding[:, inside] = target[:, inside]
    return embedding, labels


@pytest.mark.parametrize("cluster", [density_peaks, mean_shift])
def test_pixels_that_point_at_one_place_become_one_object(cluster):
    embedding, truth = discs()

    found = cluster(embedding, truth > 0, bandwidth=8.0)

    assert found.dtype == np.int32
    assert found.max() == 3
    assert (found[truth == 0] == 0).all()
    assert adjusted_rand_score(truth[truth > 0], found[truth > 0]) > 0.99


@pytest.mark.parametrize("cluster", [density_peaks, mean_shift])
def test_no_foreground_gives_no_object(cluster):
    embedding, truth = discs()

    assert cluster(embedding, np.zeros(truth.shape, bool), bandwidth=8.0).max() == 0


def test_the_two_clusterings_agree_on_separate_objects():
    embedding, truth = discs(noise=1.5)

    peaks = density_peaks(embedding, truth > 0, bandwidth=8.0)[truth > 0]
    shifted = mean_shift(embedding, truth > 0, bandwidth=8.0)[truth > 0]

    assert adjusted_rand_score(peaks, shifted) > 0.95


@pytest.mark.parametrize("shift", [(3.0, -5.0), (250.0, 400.0)])
def test_a_constant_added_to_all_offsets_changes_nothing(shift):
    embedding, truth = discs()

    moved = embedding + np.array(shift, np.float32).reshape(2, 1, 1)

    np.testing.assert_array_equal(
        density_peaks(embedding, truth > 0, bandwidth=8.0), density_peaks(moved, truth > 0, bandwidth=8.0)
    )


def test_a_pixel_that_points_nowhere_near_an_object_is_background():
    embedding, truth = discs()
    rows, columns = np.nonzero(truth == 1)
    embedding[:, rows[0], columns[0]] = 30.0

    found = density_peaks(embedding, truth > 0, bandwidth=5.0)

    assert found[rows[0], columns[0]] == 0


def test_embeddings_that_say_nothing_give_one_object_at_once():
    """A network that has learned nothing gives all pixels the same offset: the density has no peak but a plateau."""
    everywhere = np.ones((400, 400), bool)

    found = density_peaks(np.zeros((2, 400, 400), np.float32), everywhere, bandwidth=10.0)

    assert found.max() == 1


def test_components_follow_the_array_axes_on_an_image_that_is_not_square():
    rows, columns = np.indices((20, 50))
    labels = np.where(columns < 25, 1, 2)
    embedding = np.stack([10 - rows, np.where(labels == 1, 12, 37) - columns]).astype(np.float32)

    found = density_peaks(embedding, np.ones((20, 50), bool), bandwidth=8.0)

    assert adjusted_rand_score(labels.ravel(), found.ravel()) == 1.0


def test_volumes_are_clustered_too():
    zyx = np.indices((12, 12, 24))
    left = zyx[2] < 12
    embedding = np.stack([6 - zyx[0], 6 - zyx[1], np.where(left, 6, 18) - zyx[2]]).astype(np.float32)

    found = density_peaks(embedding, np.ones(left.shape, bool), bandwidth=5.0)

    assert found.max() == 2


def split_bar(jump):
    """A bar cut into two pieces; the embedding jumps by `jump` px where they meet, and drifts by as much if 0."""
    rows, columns = np.indices((20, 60))
    labels = np.where((rows >= 5) & (rows < 15), np.where(columns < 30, 1, 2), 0).astype(np.int32)
    target = np.where(columns < 30, 20.0, 20.0 + jump) if jump else 10 + 0.6 * columns
    embedding = np.stack([10.0 - rows, target - columns]).astype(np.float32)
    return labels, embedding


def joined(labels, embedding, *, valley=0.0, diameter=24.0, **how):
    """Join the pieces of a bar of contrast 1; where they meet, the contrast is less by `valley`."""
    contrast = np.where(labels > 0, 1.0, 0.0).astype(np.float32)
    contrast[:, 29:31] -= valley
    touching = touching_pieces(labels, embedding, contrast, labels > 0, diameter=diameter)
    return join_pieces(labels, touching, diameter=diameter, **how)


def test_pieces_across_which_the_embedding_drifts_are_joined():
    labels, embedding = split_bar(jump=0)

    found = joined(labels, embedding)

    assert found.max() == 1
    np.testing.assert_array_equal(found > 0, labels > 0)


def test_objects_across_which_the_embedding_jumps_stay_apart():
    labels, embedding = split_bar(jump=22)

    assert joined(labels, embedding, valley=0.5).max() == 2


def test_a_valley_of_intensity_keeps_objects_apart_and_none_brings_pieces_together():
    labels, embedding = split_bar(jump=0)
    embedding[1, :, 30:] += 2.0  # neither a jump nor a drift

    assert joined(labels, embedding).max() == 1
    assert joined(labels, embedding, valley=0.9).max() == 2


def test_uncertain_contacts_are_joined_only_up_to_the_size_of_an_object():
    labels, embedding = split_bar(jump=0)
    embedding[1, :, 30:] += 2.0

    assert joined(labels, embedding, valley=0.3).max() == 1
    assert joined(labels, embedding, valley=0.3, diameter=14.0).max() == 2


def test_readiness_goes_from_no_joining_to_joining_all_that_touches():
    labels, embedding = split_bar(jump=22)

    assert joined(labels, embedding, readiness=1.0).max() == 1
    assert joined(*split_bar(jump=0), readiness=0.0).max() == 2


def test_a_chain_of_pieces_becomes_one_object():
    labels, embedding = split_bar(jump=0)
    columns = np.indices(labels.shape)[1]
    labels = np.where(labels > 0, 1 + columns // 15, 0).astype(np.int32)

    assert labels.max() == 4
    assert joined(labels, embedding, diameter=30.0).max() == 1


def test_the_order_of_the_ids_does_not_matter_for_joining():
    labels, embedding = split_bar(jump=0)
    columns = np.indices(labels.shape)[1]
    labels = np.where(labels > 0, 1 + columns // 15, 0).astype(np.int32)
    turned = np.where(labels > 0, 5 - labels, 0).astype(np.int32)

    np.testing.assert_array_equal(
        joined(labels, embedding, diameter=16.0) > 0, joined(turned, embedding, diameter=16.0) > 0
    )
    assert joined(labels, embedding, diameter=16.0).max() == joined(turned, embedding, diameter=16.0).max()


def test_pieces_that_do_not_touch_are_left_alone():
    labels, embedding = split_bar(jump=0)
    labels[:, 28:32] = 0

    assert joined(labels, embedding, readiness=1.0).max() == 2
    assert joined(np.zeros_like(labels), embedding).max() == 0


def test_otsu_finds_the_gap_and_says_how_clear_it_is():
    rng = np.random.default_rng(0)
    two = np.concatenate([rng.normal(1, 0.2, 900), rng.normal(8, 0.5, 300)])

    threshold, separability = otsu(two)

    assert 1.5 < threshold < 6.5
    assert separability > 0.95
    assert otsu(rng.normal(0, 1, 5000))[1] < 0.7
    assert otsu(np.full(10, 3.0)) == (3.0, 0.0)


def test_each_object_gets_its_own_otsu_threshold():
    values = np.concatenate([np.repeat([0.0, 1.0], 50), np.repeat([10.0, 30.0], 50), [5.0]]).astype(np.float32)
    labels = np.concatenate([np.full(100, 1), np.full(100, 2), [0]])

    thresholds = otsu_per_object(values, labels, 3)

    assert 0 < thresholds[1] < 1
    assert 10 < thresholds[2] < 30
    assert np.isfinite(thresholds).all()
