import numpy as np
import pytest

from napari_cellseg_ssl.core.methods.actis import messages
from napari_cellseg_ssl.core.methods.actis.options import ActisSegmentOptions
from napari_cellseg_ssl.core.methods.actis.validation import (
    FOREGROUND_GRID,
    SEED_GRID,
    Score,
    instances,
    score,
    search_thresholds,
    widest_neck,
)
from napari_cellseg_ssl.core.training.frames import Frame
from napari_cellseg_ssl.core.training.held_out import Judged, best_candidate, hold_out, judge

DIAMETER = 12.0


def grid_of_cells(rows, columns, ids_from=1):
    """Separate square cells of 10 px, 10 px apart."""
    cells = np.zeros((20 * rows + 10, 20 * columns + 10), np.int32)
    for k in range(rows * columns):
        y, x = 10 + 20 * (k // columns), 10 + 20 * (k % columns)
        cells[y : y + 10, x : x + 10] = ids_from + k
    return cells


def frame_of(cells, known=None, dense=True):
    known = np.ones(cells.shape, bool) if known is None else known
    return Frame(pixels=(cells > 0).astype(np.float32)[None], cells=cells, known=known, is_dense=dense)


def sure(cells, certainty=0.98):
    """Class probabilities (3, Y, X) that a good network would give."""
    inside = np.where(cells > 0, certainty, 1 - certainty).astype(np.float32)
    return np.stack([1 - inside, 0.98 * inside, 0.02 * inside])


def two_cells_with_a_bridge():
    p = np.zeros((3, 30, 50), np.float32)
    p[0] = 1
    p[:, 5:25, 5:20] = p[:, 5:25, 30:45] = np.array([0.05, 0.9, 0.05])[:, None, None]
    p[:, 12:18, 20:30] = np.array([0.1, 0.3, 0.6])[:, None, None]
    return p


def test_two_cells_joined_by_a_bridge_come_apart():
    labels = instances(two_cells_with_a_bridge(), DIAMETER)

    assert labels.max() == 2
    assert labels[15, 10] != labels[15, 40]
    assert labels.dtype == np.int32


def two_overlapping_discs():
    y, x = np.mgrid[:40, :60]
    return ((y - 20) ** 2 + (x - 20) ** 2 < 144) | ((y - 20) ** 2 + (x - 40) ** 2 < 144)


def test_cells_that_the_network_joins_come_apart_at_their_neck_unless_that_is_switched_off():
    p = sure(two_overlapping_discs())

    assert instances(p, 24.0, ActisSegmentOptions(widest_neck=0.95)).max() == 2
    assert instances(p, 24.0, ActisSegmentOptions(widest_neck=0.0)).max() == 1


def test_where_no_whole_cell_is_painted_necks_do_not_part_cells():
    cells = two_overlapping_discs().astype(np.int32)

    assert widest_neck([frame_of(0 * cells)], 24.0) == 0.0
    assert widest_neck([frame_of(cells[:, 12:30])], 24.0) == 0.0  # the image's edge cuts it


def test_painted_cells_tell_whether_necks_are_between_cells_or_in_them():
    joined = two_overlapping_discs().astype(np.int32)
    apart = np.where(joined, 1 + (np.arange(60) >= 30), 0)

    assert widest_neck([frame_of(joined)], 24.0) == 0.0
    assert widest_neck([frame_of(apart)], 24.0) == 0.95


@pytest.mark.parametrize("options", [{"seed_threshold": 1.0}, {"foreground_threshold": 1.0}])
def test_a_threshold_that_nothing_passes_gives_no_objects(options):
    assert not instances(two_cells_with_a_bridge(), DIAMETER, ActisSegmentOptions(**options)).any()


def test_raising_the_foreground_threshold_never_adds_pixels():
    rng = np.random.default_rng(0)
    p = rng.dirichlet((1, 1, 1), (40, 40)).transpose(2, 0, 1).astype(np.float32)
    several = [ActisSegmentOptions(foreground_threshold=f, min_size=0) for f in (0.3, 0.5, 0.7, 0.9)]
    areas = [int((instances(p, 2.0, options) > 0).sum()) for options in several]

    assert areas == sorted(areas, reverse=True)


def test_small_objects_go_by_the_typical_size():
    p = two_cells_with_a_bridge()
    assert instances(p, 20.0).max() == 2
    assert instances(p, 200.0).max() == 0


def test_a_perfect_prediction_scores_one_and_an_empty_one_zero():
    judged = judge(frame_of(grid_of_cells(2, 3)))

    assert score([sure(judged.cells)], [judged], DIAMETER).f1 == 1
    assert score([sure(0 * judged.cells)], [judged], DIAMETER).f1 == 0


def test_predictions_where_nothing_is_known_cost_nothing():
    cells = grid_of_cells(2, 3)
    known = np.zeros(cells.shape, bool)
    known[:30, :30] = True
    judged = Judged(pixels=cells[None].astype(np.float32), cells=np.where(known, cells, 0), known=known)

    assert score([sure(cells)], [judged], DIAMETER).f1 == 1


@pytest.mark.parametrize(("n_frames", "dense"), [(1, False), (3, False), (6, True)])
def test_what_is_held_out_is_not_learned_from(n_frames, dense):
    frames = [frame_of(grid_of_cells(3, 4), dense=dense) for _ in range(n_frames)]

    learning, judged = hold_out(frames, seed=0)

    n_learned = sum(len(frame.cell_ids) for frame in learning)
    n_held = sum(one.n_cells for one in judged)
    assert n_learned + n_held == 12 * n_frames
    assert n_held == pytest.approx(0.2 * 12 * n_frames, abs=3)
    assert all(not frame.cells[~frame.known].any() for frame in learning)


def test_a_held_out_cell_takes_its_surroundings_along():
    frame = frame_of(grid_of_cells(3, 4), dense=False)

    (learning,), (judged,) = hold_out([frame], seed=1)

    held = frame.known & ~learning.known
    for id_ in np.unique(judged.cells[judged.cells > 0]):
        y, x = np.argwhere(frame.cells == id_).min(0)
        assert held[y - 5 : y + 15, x - 5 : x + 15].all()


def test_the_split_repeats_with_its_seed():
    frames = [frame_of(grid_of_cells(3, 4), dense=False) for _ in range(3)]
    once, again, other = (hold_out(frames, seed=seed)[0] for seed in (5, 5, 6))

    assert all(np.array_equal(a.known, b.known) for a, b in zip(once, again, strict=True))
    assert any(not np.array_equal(a.known, b.known) for a, b in zip(once, other, strict=True))


def test_three_cells_are_all_learned_from():
    frame = frame_of(grid_of_cells(1, 3))

    learning, judged = hold_out([frame], seed=0)

    assert judged == ()
    assert np.array_equal(learning[0].known, frame.known)


def test_the_best_network_wins_and_one_cell_is_no_difference():
    good, bad = (Score(f1=f1, iou=0.5, n_cells=20) for f1 in (0.9, 0.8))
    assert best_candidate({"teacher": bad, "student": bad, "baseline": good}) == "baseline"

    close = Score(f1=0.86, iou=0.5, n_cells=20)
    assert best_candidate({"teacher": close, "student": bad, "baseline": good}) == "teacher"


def test_networks_that_find_as_many_cells_are_told_apart_by_how_well_they_outline_them():
    rough, fine = (Score(f1=0.9, iou=iou, n_cells=3) for iou in (0.6, 0.7))
    assert best_candidate({"teacher": rough, "baseline": fine}) == "baseline"
    assert best_candidate({"teacher": rough, "baseline": rough}) == "teacher"


def test_the_search_finds_thresholds_that_separate_what_the_defaults_join():
    judged = judge(frame_of(grid_of_cells(2, 3)))
    halo = 1 - 0.75 * (1 - sure(judged.cells, 0.98)[0])
    p = np.stack([np.minimum(halo, 0.45), 1 - halo, np.maximum(0.0, halo - np.minimum(halo, 0.45))]).astype(np.float32)

    options, found = search_thresholds([p], [judged], DIAMETER)

    assert score([p], [judged], DIAMETER).f1 < found.f1 == 1
    assert options.seed_threshold in SEED_GRID
    assert options.foreground_threshold in FOREGROUND_GRID


def test_a_stopped_search_takes_the_best_so_far():
    judged = judge(frame_of(grid_of_cells(2, 3)))
    stops = iter([False, False, True])

    found = search_thresholds([sure(judged.cells)], [judged], DIAMETER, should_stop=lambda: next(stops))[1]

    assert found.f1 == 1


def test_a_painter_is_told_when_no_cell_ends_at_painted_background_or_at_another_cell():
    cells = np.zeros((60, 60), np.int32)
    cells[10:20, 10:20], cells[10:20, 20:30] = 1, 2
    stroke = np.zeros(cells.shape, bool)
    stroke[40:44] = True

    touching, complete, lonely = (
        " ".join(messages.before([frame], (), ActisSegmentOptions(), DIAMETER))
        for frame in (
            frame_of(cells, (cells > 0) | stroke, dense=False),
            frame_of(cells),
            frame_of(np.where(cells == 1, 1, 0)),
        )
    )

    assert "No edge of a cell" in touching
    assert "No edge of a cell" not in complete + lonely
    assert "No touching cells" in lonely
    assert "No touching cells" not in touching + complete


def test_a_painter_of_rings_only_is_told_that_the_rest_of_the_background_was_never_seen():
    cells = np.zeros((90, 90), np.int32)
    cells[10:20, 10:20] = 1
    ring = np.zeros(cells.shape, bool)
    ring[6:24, 6:24] = True
    stroke = ring.copy()
    stroke[70:74] = True

    rings, strokes = (
        " ".join(messages.before([frame_of(cells, known, dense=False)], (), ActisSegmentOptions(), DIAMETER))
        for known in (ring, stroke)
    )

    assert "beside cells only" in rings
    assert "beside cells only" not in strokes
