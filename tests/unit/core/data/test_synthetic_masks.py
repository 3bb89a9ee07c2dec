import numpy as np
import pytest
from scipy import ndimage

from napari_cellseg_ssl.core.data.spots import equivalent_diameter
from napari_cellseg_ssl.core.data.synthetic_masks import MaskPrior, draw_mask, objects_to_mask, semi_axes

SPARSE = MaskPrior(diameter=16.0, spread=0.3, coverage=(0.2,))


def drawn(prior=SPARSE, shape=(200, 200), seed=0):
    return draw_mask(prior, shape, np.random.default_rng(seed))


def whole_objects(labels):
    """Ids and slices of the objects that the border does not cut."""
    for index, window in enumerate(ndimage.find_objects(labels), start=1):
        if all(s.start > 0 and s.stop < size for s, size in zip(window, labels.shape, strict=True)):
            yield index, window


@pytest.mark.parametrize("shape", [(200, 200), (40, 60, 60)])
def test_a_mask_has_three_values_and_as_much_foreground_as_wanted(shape):
    masks = [drawn(shape=shape, seed=seed) for seed in range(5)]

    assert set(np.unique(masks[0].image)) == {-1.0, 0.0, 1.0}
    for mask in masks:
        assert np.array_equal(mask.image > -1, mask.labels > 0)
    assert np.mean([np.mean(mask.labels > 0) for mask in masks]) == pytest.approx(0.18, abs=0.06)


def test_plain_masks_have_no_grey():
    assert set(np.unique(drawn(MaskPrior(diameter=16, rim=False)).image)) == {-1.0, 1.0}


def test_objects_are_as_large_as_the_prior_says_and_each_is_in_one_piece():
    labels = drawn(MaskPrior(diameter=16, spread=0.2, coverage=(0.4,))).labels

    sizes = [np.sum(labels[window] == index) for index, window in whole_objects(labels)]
    assert len(sizes) > 20
    assert equivalent_diameter(np.array(sizes), 2).min() > 16 / 1.2 - 0.7
    assert equivalent_diameter(np.array(sizes), 2).max() < 16 * 1.2 + 0.7
    for index in range(1, labels.max() + 1):
        assert ndimage.label(labels == index, np.ones((3, 3)))[1] == 1


@pytest.mark.parametrize("ndim", [2, 3])
def test_minor_axes_are_two_thirds_to_all_of_the_major_one(ndim):
    rng = np.random.default_rng(0)
    axes = np.array([semi_axes(SPARSE, ndim, rng) for _ in range(500)])

    ratios = axes[:, 1:] / axes[:, :1]
    assert 0.66 < ratios.min() < 0.70
    assert 0.95 < ratios.max() < 0.97
    assert 2 * np.prod(axes, axis=1).min() ** (1 / ndim) > 16 / 1.3 - 1e-6


def test_the_core_is_the_deeper_half_of_an_object():
    prior = MaskPrior(diameter=40, spread=0.0, coverage=(0.3,))
    mask = drawn(prior, (400, 400))

    for index, window in whole_objects(mask.labels):
        inside = np.pad(mask.labels[window] == index, 1)
        core = np.pad((mask.image[window] == 1) & (mask.labels[window] == index), 1)
        depth = ndimage.distance_transform_edt(inside)
        assert ndimage.distance_transform_edt(core).max() == pytest.approx(depth.max() / 2, abs=1.0)


def test_the_border_cuts_objects_without_giving_them_a_rim():
    cut = np.zeros((30, 30), np.int32)
    cut[:15, 5:25] = 1

    mask = objects_to_mask(cut, rim=True)

    assert mask[0, 15] == 1.0
    assert mask[14, 15] == 0.0


def test_an_ellipsoid_has_its_volume():
    prior = MaskPrior(diameter=24, spread=0.0, eccentricity=(0.6, 0.6), coverage=(0.1,))
    masks = [drawn(prior, (64, 64, 64), seed).labels for seed in range(6)]

    volumes = [np.sum(labels[window] == index) for labels in masks for index, window in whole_objects(labels)]
    assert len(volumes) > 1
    assert np.median(volumes) == pytest.approx(np.pi / 6 * 24**3, rel=0.03)


def test_drawing_ends_where_no_more_objects_fit():
    labels = drawn(MaskPrior(diameter=30, spread=0.0, coverage=(0.95,)), (64, 64)).labels

    assert 0 < labels.max() < 8


def test_the_same_seed_draws_the_same_mask_and_another_one_another():
    assert np.array_equal(drawn(seed=3).image, drawn(seed=3).image)
    assert not np.array_equal(drawn(seed=3).image, drawn(seed=4).image)


def test_a_larger_mask_holds_as_many_more_objects():
    few = [drawn(shape=(100, 100), seed=seed).labels.max() for seed in range(8)]
    many = [drawn(shape=(200, 200), seed=seed).labels.max() for seed in range(8)]

    assert np.mean(many) / np.mean(few) == pytest.approx(3.5, abs=0.8)


def test_masks_vary_in_density_as_the_images_do():
    prior = MaskPrior(diameter=10, coverage=(0.05, 0.5))
    shares = [np.mean(drawn(prior, (100, 100), seed).labels > 0) for seed in range(30)]

    assert min(shares) < 0.1
    assert max(shares) > 0.3
