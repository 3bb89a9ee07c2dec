"""The fine-tuning of CUPre on painted cells: it learns, says what it lacks, and goes on where it stopped."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from drawings import disks, painting, picture
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongRun
from napari_cellseg_ssl.core.methods import messages as methods_messages
from napari_cellseg_ssl.core.methods.base import Run
from napari_cellseg_ssl.core.methods.cupre import METHOD
from napari_cellseg_ssl.core.methods.cupre.crops import ObjectCrops
from napari_cellseg_ssl.core.methods.cupre.fine_tuning import score_detections, search_score
from napari_cellseg_ssl.core.methods.cupre.options import CupreOptions
from napari_cellseg_ssl.core.methods.events import Checkpoint, Note, Step, TrainFinished, Validated, last_of
from napari_cellseg_ssl.core.training.frames import Frame
from napari_cellseg_ssl.core.training.held_out import Judged
from saying import saying

DIAMETER = 16.0
TINY = CupreOptions(detector="tiny", steps=4, crop=64, working_diameter=DIAMETER)


def painted(n_cells=8, shape=(64, 64), channels=1):
    cells = disks(shape)
    frame = np.stack([picture(cells, seed=c) for c in range(channels)])
    note = Annotation.from_painting(painting(cells, n_cells=n_cells))
    return TrainingSet((TrainingItem(image=ImageStack.from_array(frame, "CYX"), annotation=note, diameter=DIAMETER),))


def events_of(data=None, options=TINY, **run):
    return list(METHOD.train(data or painted(), options, Run(**run)))


def bundle_of(events):
    return last_of(events, TrainFinished).bundle


def notes_of(events):
    return " ".join(event.text for event in events if isinstance(event, Note))


def same_weights(a, b):
    return all(np.array_equal(a.weights[name], b.weights[name]) for name in a.weights)


def moved(a, b):
    """How far the backbone went from one model to another, relative to its size."""
    names = [name for name in a.weights if name.startswith("net.backbone.body.") and a.weights[name].ndim > 1]
    far = sum(float(((a.weights[n] - b.weights[n]) ** 2).sum()) for n in names)
    return (far / sum(float((a.weights[n] ** 2).sum()) for n in names)) ** 0.5


@pytest.fixture(scope="module")
def parent():
    options = replace(TINY, stage="pre-train", source="shapes", contrast_share=0.0, steps=3, tile=32, view=32)
    return bundle_of(events_of(options=options))


def test_every_loss_of_the_detector_is_told_and_held_out_cells_are_judged():
    events = events_of(options=replace(TINY, steps=16))

    steps = [event for event in events if isinstance(event, Step)]
    names = {
        "objectness",
        "proposal_boxes",
        "masks",
        *(f"{kind}_{k}" for kind in ("classes", "boxes") for k in (1, 2, 3)),
    }
    assert all(set(step.losses) == {"loss", *names} for step in steps)
    assert steps[0].losses["loss"] == pytest.approx(sum(steps[0].losses[name] for name in names), rel=1e-5)
    assert len([event for event in events if isinstance(event, Validated)]) == 7
    assert {"f1", "iou"} == set(bundle_of(events).provenance.scores)
    assert "8 annotated cells; 2 of them are held out" in notes_of(events)


def test_few_cells_are_warned_of_and_nothing_is_held_out_of_three():
    told = notes_of(events_of(painted(n_cells=3)))

    assert "nothing is held out" in told
    assert "Fewer than 20 cells" in told


def test_without_a_painted_cell_it_asks_for_some():
    background = np.ones((64, 64), int)
    data = TrainingSet(
        (
            TrainingItem(
                image=ImageStack.from_array(picture(disks())),
                annotation=Annotation.from_painting(background),
                diameter=DIAMETER,
            ),
        )
    )

    with pytest.raises(WrongAnnotation, match=saying(methods_messages.no_cell_painted)):
        events_of(data, replace(TINY, stage="fine-tune"))


def test_a_model_that_learned_before_is_held_where_few_cells_are_painted(parent):
    drifts = {}
    for held in ("auto", "never"):
        events = events_of(options=replace(TINY, held=held, strength=100.0, alpha=1.0, average=0.0), start_from=parent)
        assert ("held near" in notes_of(events)) == (held == "auto")
        drifts[held] = moved(parent, bundle_of(events))

    assert 0 < drifts["auto"] < drifts["never"]
    assert bundle_of(events).provenance.parent == parent.id


def test_a_model_that_is_gone_on_from_keeps_its_layout(parent):
    bundle = bundle_of(events_of(options=replace(TINY, detector="fast", steps=1), start_from=parent))

    assert bundle.architecture["detector"] == parent.architecture["detector"]


def test_a_model_of_other_channels_is_refused(parent):
    with pytest.raises(WrongRun, match=r"1 channel\(s\), these images 3"):
        events_of(painted(channels=3), start_from=parent)


def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(parent):
    for start in (None, parent):
        asked = iter([False, False])
        stopped = list(
            METHOD.train(painted(), TINY, Run(should_stop=lambda asked=asked: next(asked, True), start_from=start))
        )
        resumed = events_of(resume=last_of(stopped, Checkpoint), start_from=start)

        assert last_of(stopped, TrainFinished).reason == "stopped"
        assert same_weights(bundle_of(events_of(start_from=start)), bundle_of(resumed))


def test_what_is_not_painted_is_unknown_to_the_detector():
    cells = disks()
    known = np.zeros(cells.shape, bool)
    known[:, :32] = True
    frame = Frame(pixels=picture(cells)[None].astype(np.float32), cells=np.where(known, cells, 0), known=known)

    images, targets = ObjectCrops([frame], 64, pasted=0.0).draw(np.random.default_rng(0), 4)

    assert images.shape == (4, 1, 64, 64)
    for target in targets:
        assert target.known is not None
        assert not target.known.all()
        assert not (target.masks & ~target.known).any()


def test_crops_differ_in_brightness_but_not_those_for_statistics():
    frame = Frame(
        pixels=np.full((1, 64, 64), 0.5, np.float32), cells=disks(), known=np.ones((64, 64), bool), is_dense=True
    )
    crops = ObjectCrops([frame], 64)

    assert crops.draw(np.random.default_rng(0), 4)[0].std() > 0
    assert torch.equal(crops.unchanged(np.random.default_rng(0), 2), torch.full((2, 1, 64, 64), 0.5))


def test_a_detector_that_learned_too_little_is_told_so():
    assert "Hardly any cell is found: train longer" in notes_of(events_of())


def seen_with(score, false_score):
    """An image with one cell, found with one score, and something that is none, found with another."""
    cells = np.zeros((48, 48), np.int32)
    cells[8:24, 8:24] = 1
    found = Detections(
        boxes=np.float32([[8, 8, 24, 24], [28, 28, 44, 44]]),
        scores=np.float32([score, false_score]),
        classes=np.zeros(2, np.int64),
        masks=np.ones((2, 28, 28), np.float32),
    )
    return found, Judged(pixels=np.zeros((1, 48, 48), np.float32), cells=cells, known=np.ones((48, 48), bool))


def test_held_out_cells_are_not_judged_with_the_score_that_suits_them_best():
    sure, unsure = seen_with(0.75, 0.45), seen_with(0.35, 0.25)  # each is perfect with a least score of its own
    found, judged = zip(sure, unsure, strict=True)

    alone = [search_score([one], [seen])[1].f1 for one, seen in (sure, unsure)]
    crosswise = score_detections(found, judged)

    assert alone == [1.0, 1.0]
    assert crosswise.f1 == pytest.approx(2 / 4)  # the first finds one too many, the second nothing
    assert score_detections(found[:1], judged[:1]).f1 == 1.0  # with the usual least score
