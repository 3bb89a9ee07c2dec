import dataclasses
import gc

import numpy as np
import pytest
from scipy import ndimage

from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.methods.cellulus import INFO, METHOD, foreground
from napari_cellseg_ssl.core.methods.cellulus.halo import depth_in, width_by_size
from napari_cellseg_ssl.core.methods.cellulus.logistic import fit_logistic
from napari_cellseg_ssl.core.methods.cellulus.options import CellulusSegmentOptions
from napari_cellseg_ssl.core.methods.cellulus.recall import Recall
from napari_cellseg_ssl.core.metrics.scores import image_scores

RADIUS, HALO = 12, 7
CENTRES = tuple((y, x) for y in (35, 90, 145) for x in (35, 90, 145, 200))
SPECS = {spec.name: spec for spec in INFO.maps}


def truth_of(shape=(180, 236), centres=CENTRES, radius=RADIUS):
    rows, columns = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    for i, (y, x) in enumerate(centres, start=1):
        labels[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = i
    return labels


def maps_of(truth, *, signal=1.0, background=0.0, noise=0.05, scale=1.0, halo=HALO, seed=0):
    """What a perfectly trained network would say of these objects: stable, pointing home, up to a halo."""
    rng = np.random.default_rng(seed)
    distance, nearest = ndimage.distance_transform_edt(truth == 0, return_indices=True)
    owner = truth[tuple(nearest)]
    homes = np.array([(0, 0), *ndimage.center_of_mass(truth > 0, truth, np.arange(1, truth.max() + 1))])
    offset = homes[owner].transpose(2, 0, 1) - np.indices(truth.shape) + rng.normal(0, 0.5, (2, *truth.shape))
    is_stable = distance <= halo
    embedding = np.where(is_stable, offset, rng.normal(0, 8, offset.shape))
    uncertainty = np.where(is_stable, 1.0, 9.0) + rng.normal(0, 0.3, truth.shape)
    intensity = np.where(truth > 0, signal, background) + rng.normal(0, noise, truth.shape)
    return PredictionMaps(
        arrays={
            "embedding": embedding[None].astype(np.float32),
            "embedding-uncertainty": uncertainty[None, None].astype(np.float32),
            "intensity": intensity[None, None].astype(np.float32),
        },
        specs=SPECS,
        scale=scale,
        source_shape=tuple(round(n / scale) for n in truth.shape),
        diameter=(2 * RADIUS + 1) / scale,
        bundle_id="drawn",
        image_name="drawn",
    )


def segment(maps, **options):
    return METHOD.segment(maps, CellulusSegmentOptions(**options))[0]


@pytest.mark.parametrize(("signal", "background"), [(1.0, 0.0), (0.0, 1.0), (0.4, 0.3)])
def test_the_default_outline_fits_bright_dark_and_faint_objects(signal, background):
    truth = truth_of()

    found = segment(maps_of(truth, signal=signal, background=background))

    scores = image_scores(truth, found)
    assert found.dtype == np.int32
    assert scores.f1_50 == 1.0
    assert scores.seg > 0.85


def test_objects_that_only_their_texture_tells_from_the_background_are_found_by_size():
    truth = truth_of()
    maps = maps_of(truth, signal=0.3, background=0.3, noise=0.02)
    texture = np.random.default_rng(1).normal(0, 0.15, truth.shape) * (truth > 0)
    maps = dataclasses.replace(
        maps, arrays={**maps.arrays, "intensity": maps.arrays["intensity"] + texture.astype(np.float32)}
    )

    assert image_scores(truth, segment(maps)).f1_50 > 0.9


def test_dim_parts_of_objects_belong_to_them():
    """A bright core in each object, the rest so dim that Otsu's threshold would leave it out."""
    truth = truth_of()
    core = ndimage.binary_erosion(truth > 0, iterations=8)
    maps = maps_of(truth, signal=0.25)
    maps.arrays["intensity"].flags.writeable = True
    maps.arrays["intensity"][0, 0, core] += 0.75

    assert image_scores(truth, segment(maps, outline="bright")).f1_50 == 0.0
    assert image_scores(truth, segment(maps)).f1_50 == 1.0


@pytest.mark.parametrize(("outline", "signal"), [("bright", 1.0), ("dark", -1.0)])
def test_fitting_to_the_signal_gives_the_true_outline(outline, signal):
    truth = truth_of()

    found = segment(maps_of(truth, signal=signal), outline=outline)

    assert image_scores(truth, found).seg > 0.9


def test_fitting_drops_clusters_without_contrast():
    truth = truth_of()
    maps = maps_of(truth)
    faint = truth == 1
    maps.arrays["intensity"].flags.writeable = True
    maps.arrays["intensity"][0, 0, ndimage.binary_dilation(faint, iterations=9)] = 0.0

    assert segment(maps, outline="bright").max() == len(CENTRES) - 1


def test_shrinking_by_the_halo_gives_a_disc_back():
    truth = truth_of()

    found = segment(maps_of(truth, halo=6), outline="shrink", shrink=6.0)

    assert image_scores(truth, found).seg > 0.93


def test_shrinking_leaves_the_common_border_of_touching_objects():
    truth = truth_of(centres=((60, 60), (60, 85)))

    found = segment(maps_of(truth, halo=6), outline="shrink", shrink=6.0)

    assert found.max() == 2
    assert found[60, 72] > 0
    assert found[60, 73] > 0


def test_without_an_outline_the_halo_stays():
    truth = truth_of()

    found = segment(maps_of(truth), outline="none")

    assert np.mean(found > 0) > 1.8 * np.mean(truth > 0)


def test_a_higher_tightness_makes_objects_smaller():
    maps = maps_of(truth_of(), signal=0.4, background=0.3)

    areas = [np.count_nonzero(segment(maps, tightness=t)) for t in (0.1, 0.5, 0.9)]

    assert areas[0] > areas[1] > areas[2]


def test_objects_smaller_than_asked_for_vanish():
    truth = truth_of()
    truth[80:84, 60:64] = truth.max() + 1

    assert segment(maps_of(truth), smallest=0.3).max() == len(CENTRES)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_instances_come_back_on_the_grid_of_the_image(scale):
    truth = truth_of()
    maps = maps_of(truth, scale=scale)

    found = segment(maps)

    assert found.shape == maps.source_shape
    assert found.max() == len(CENTRES)


def test_every_frame_is_segmented_on_its_own():
    truths = (truth_of(), truth_of(centres=CENTRES[:5]))
    parts = [maps_of(truth) for truth in truths]
    joined = {name: np.concatenate([part.arrays[name] for part in parts]) for name in SPECS}

    found = METHOD.segment(dataclasses.replace(parts[0], arrays=joined), CellulusSegmentOptions())

    assert [int(frame.max()) for frame in found] == [12, 5]


def test_a_threshold_of_the_users_replaces_the_automatic_one():
    maps = maps_of(truth_of())

    everything, nothing = foreground(maps, CellulusSegmentOptions(threshold=40.0)), segment(maps, threshold=0.1)

    assert everything.all()
    assert nothing.max() == 0


def test_uncertainty_without_two_groups_means_that_everything_is_foreground():
    maps = maps_of(truth_of())
    rng = np.random.default_rng(0)
    flat = rng.laplace(5, 1, (1, 1, 180, 236))
    maps = dataclasses.replace(maps, arrays={**maps.arrays, "embedding-uncertainty": flat.astype(np.float32)})

    assert foreground(maps, CellulusSegmentOptions()).all()


def test_segmenting_changes_no_map_and_repeats_itself():
    maps = maps_of(truth_of())
    before = {name: array.copy() for name, array in maps.arrays.items()}

    first, second = segment(maps), segment(maps)

    np.testing.assert_array_equal(first, second)
    for name, array in before.items():
        np.testing.assert_array_equal(array, maps.arrays[name])


def test_moving_a_slider_and_back_gives_the_same_instances():
    maps = maps_of(truth_of())
    fresh = segment(maps_of(truth_of()), bandwidth=0.3, threshold=5.0)

    segment(maps, bandwidth=0.8)
    segment(maps, threshold=3.0)

    np.testing.assert_array_equal(segment(maps, bandwidth=0.3, threshold=5.0), fresh)


def test_recall_makes_each_result_once_and_forgets_arrays_that_are_gone():
    recall, made = Recall(4), []
    array = np.zeros(3)

    for _ in range(2):
        recall.get(array, ("stage", 1.0), lambda: made.append(1) or len(made))
    assert made == [1]
    for number in range(6):
        recall.get(array, ("stage", number), lambda: None)
    assert len(recall._kept) == 4
    del array
    gc.collect()
    assert not recall._kept


def test_depth_is_the_distance_to_the_background_and_endless_without_one():
    disc = truth_of(centres=((90, 90),), radius=14) > 0

    assert depth_in(disc)[90, 90] == pytest.approx(14, abs=0.5)
    assert (depth_in(np.ones((4, 4), bool)) > 15).all()


def test_the_size_of_objects_tells_the_width_of_the_halo():
    truth = truth_of()
    maps = maps_of(truth)
    stable = foreground(maps, CellulusSegmentOptions())[0]
    _, nearest = ndimage.distance_transform_edt(truth == 0, return_indices=True)
    ids, depth = truth[tuple(nearest)][stable], depth_in(stable)[stable]
    size = np.pi / 4 * (2 * RADIUS + 1) ** 2

    assert width_by_size(ids, depth, size) == pytest.approx(HALO, abs=1.0)


def test_logistic_regression_finds_the_line_between_two_groups():
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (4000, 2))
    truth = features @ np.array([2.0, -1.0]) + 0.5 + rng.logistic(0, 1, 4000) > 0

    weights = fit_logistic(features, truth)

    assert weights == pytest.approx([2.0, -1.0, 0.5], abs=0.25)


CHANGES = (
    {"threshold": 5.0},
    {"bandwidth": 0.6},
    {"joining": 0.0},
    {"joining": 0.3},
    {"outline": "shrink", "shrink": 4.0},
    {"outline": "bright"},
    {"outline": "none"},
    {"tightness": 0.8},
    {"smallest": 0.5},
    {"clustering": "mean-shift"},
    {"threshold": 0.0},
)


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_whatever_slider_was_moved_last_the_instances_are_those_of_a_first_segmentation(scale):
    truth = truth_of(shape=(90, 130), centres=CENTRES[:2])
    maps = maps_of(truth, scale=scale)
    current: dict[str, object] = {}

    for change in CHANGES:
        current |= change
        moved, fresh = segment(maps, **current), segment(maps_of(truth, scale=scale), **current)
        np.testing.assert_array_equal(moved, fresh, err_msg=str(change))


def test_instances_of_a_magnified_image_fit_as_well_as_those_of_the_image_itself():
    large, small = truth_of(), truth_of()[::2, ::2]
    looks_small = dataclasses.replace(maps_of(large, scale=2.0), source_shape=small.shape)

    assert image_scores(small, segment(looks_small)).seg > image_scores(large, segment(maps_of(large))).seg - 0.08


def test_depths_on_larger_pixels_are_those_on_small_ones():
    fine = truth_of(centres=((90, 90),), radius=24) > 0

    small, large = depth_in(fine)[::2, ::2], depth_in(fine[::2, ::2], spacing=2.0)

    assert np.abs(small - large).max() <= 1.5
    assert (large[~fine[::2, ::2]] == 0).all()
