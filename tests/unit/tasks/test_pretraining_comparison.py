"""The comparison of pre-trainings on one's own labels: alike for all, judged by the same cells, and told honestly."""

from dataclasses import replace

import numpy as np
import pytest

from drawings import disks, painting, picture
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongOption
from napari_cellseg_ssl.core.methods.cupre.options import CupreOptions
from napari_cellseg_ssl.core.methods.events import Note, Step
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.tasks import Control, PretrainingComparisonRequest, compare_pretraining
from napari_cellseg_ssl.tasks.pretraining_comparison import TITLES, ArmDone, ArmStarted, ComparisonFinished

TINY = CupreOptions(
    detector="tiny", source="shapes", steps=2, iterations=1, crop=64, working_diameter=16.0, tile=32, view=32, tiles=4
)


def request(n_cells=8, options=TINY, **changes):
    cells = disks((96, 96))
    image = ImageStack.from_array(picture(cells), name="disks")
    note = Annotation.from_painting(painting(cells, n_cells=n_cells))
    return PretrainingComparisonRequest(
        images=(image,), annotations=(note,), options=options, object_diameter=11.0, **changes
    )


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("comparison")


@pytest.fixture(scope="module")
def events(out):
    return list(compare_pretraining(request(arms=tuple(TITLES), out=out)))


def test_every_arm_ends_in_a_row_of_scores_steps_and_seconds(events):
    finished = events[-1]

    assert isinstance(finished, ComparisonFinished)
    assert not finished.stopped
    assert [(event.arm, event.number, event.total) for event in of(ArmStarted, events)] == [
        (arm, number, 4) for number, arm in enumerate(TITLES, start=1)
    ]
    assert finished.rows == tuple(event.row for event in of(ArmDone, events))
    for row in finished.rows:
        assert 0 <= row.iou <= 1
        assert 0 <= row.f1 <= 1
        assert row.held_out == 2
        assert row.fine_tune_steps == 2
        assert row.pretrain_steps == (0 if row.arm == "scratch" else 2)
        assert (row.pretrain_seconds > 0) == (row.arm != "scratch")
        assert row.fine_tune_seconds > 0
    assert finished.best in of(ArmDone, events)
    assert finished.best.row == max(finished.rows, key=lambda row: (row.f1, row.iou))


def test_arms_differ_in_their_pre_training_alone(events):
    made = {event.row.arm: event.bundle for event in of(ArmDone, events)}

    assert {arm: (b.train_options.source, b.train_options.contrast_share) for arm, b in made.items()} == {
        "scratch": ("", TINY.contrast_share),
        "source": ("shapes", 0.0),
        "moco": ("", TINY.contrast_share),
        "cupre": ("shapes", TINY.contrast_share),
    }
    alike = {replace(bundle.train_options, source="", contrast_share=TINY.contrast_share) for bundle in made.values()}
    assert alike == {replace(TINY, stage="fine-tune", source="")}
    assert {bundle.provenance.seed for bundle in made.values()} == {0}
    assert made["scratch"].provenance.parent == ""
    assert len({bundle.provenance.parent for bundle in made.values()}) == 4


def test_the_progress_is_that_of_the_whole_comparison(events):
    steps = of(Step, events)
    fractions = [step.fraction for step in steps]

    assert fractions == sorted(fractions)
    assert fractions[0] < 1 / 7 + 1e-9
    assert 6 / 7 < fractions[-1] <= 1.0
    assert steps[-1].phase == "CUPre, fine-tune"


def test_what_holds_for_all_arms_is_said_once_and_what_scores_are_worth_in_the_end(events):
    notes = [event.text for event in of(Note, events)]

    assert sum("Object diameter" in text for text in notes) == 1
    assert sum("on 2 held-out cells" in text for text in notes[:-1]) == 4
    assert any(text.startswith("Source only: Source: ") for text in notes)
    assert notes[-1].startswith("Validated on 2 held-out cells, with one seed: one cell found more or less")


def test_the_runs_of_every_arm_are_saved(events, out):
    expected = {*TITLES, "source pre-trained", "moco pre-trained", "cupre pre-trained"}

    assert {folder.name for folder in out.iterdir()} == expected
    start, model = ModelBundle.load(out / "cupre pre-trained"), ModelBundle.load(out / "cupre")
    assert model.provenance.parent == start.id
    assert model.name == "cupre, CUPre"


def test_a_stop_leaves_the_arms_that_were_finished():
    control = Control()
    seen = []
    for event in compare_pretraining(request(arms=("scratch", "moco")), control):
        seen.append(event)
        if isinstance(event, ArmStarted) and event.number == 2:
            control.stop()

    finished = seen[-1]
    assert [row.arm for row in finished.rows] == ["scratch"]
    assert finished.stopped
    assert finished.best is of(ArmDone, seen)[0]


def test_a_stop_in_the_first_arm_leaves_no_row_and_no_model():
    control = Control()
    control.stop()

    finished = list(compare_pretraining(request(arms=("moco",)), control))[-1]

    assert finished == ComparisonFinished((), None, stopped=True)


def test_time_budgets_are_those_of_each_arm():
    asked = request(arms=("scratch", "moco"), pretrain_seconds=0.5, fine_tune_seconds=1.0)
    events = list(compare_pretraining(asked))

    scratch, moco = events[-1].rows
    assert moco.pretrain_seconds >= 0.5
    assert min(scratch.fine_tune_seconds, moco.fine_tune_seconds) >= 0.9
    assert max(step.fraction for step in of(Step, events)) <= 1.0
    last_of_first = [step.fraction for step in of(Step, events) if step.phase.startswith("No pre-training")][-1]
    assert 0 < last_of_first <= 1.0 / 2.5 + 1e-9


def test_the_same_seed_gives_the_same_rows():
    rows = [list(compare_pretraining(request(arms=("source",))))[-1].rows[0] for _ in range(2)]

    same = [replace(row, pretrain_seconds=0.0, fine_tune_seconds=0.0) for row in rows]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        (request(options=replace(TINY, source="")), WrongOption, "no source"),
        (request(arms=("mocco",)), WrongOption, "no arm 'mocco'"),
        (request(arms=()), WrongOption, "have to be named"),
        (request(arms=("moco", "moco")), WrongOption, "each once"),
        (request(pretrain_seconds=0.0), WrongOption, "0 s"),
        (request(options=replace(TINY, contrast_share=0.0)), WrongOption, "is the source alone"),
        (request(n_cells=3), WrongAnnotation, "3 cells are painted.*at least 4"),
        (replace(request(), annotations=(None,)), WrongAnnotation, "0 cells are painted"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_any_work(asked, error, message):
    with pytest.raises(error, match=message):
        next(compare_pretraining(asked))


def test_images_alone_need_no_source():
    asked = request(options=replace(TINY, source=""), arms=("moco",))

    assert [row.arm for row in list(compare_pretraining(asked))[-1].rows] == ["moco"]


def test_painting_is_not_touched():
    asked = request(arms=("scratch",))
    before = asked.annotations[0].cells.copy()

    list(compare_pretraining(asked))

    np.testing.assert_array_equal(asked.annotations[0].cells, before)
