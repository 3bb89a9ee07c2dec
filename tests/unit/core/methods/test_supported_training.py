"""Cellulus-supported supervision from end to end."""

import re
from dataclasses import replace

import numpy as np
import pytest

from drawings import disks, painting, picture
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.methods.base import Run
from napari_cellseg_ssl.core.methods.cellulus import METHOD as CELLULUS
from napari_cellseg_ssl.core.methods.cellulus.options import CellulusOptions
from napari_cellseg_ssl.core.methods.cellulus_supported import METHOD, guide
from napari_cellseg_ssl.core.methods.cellulus_supported import messages as cellulus_supported_messages
from napari_cellseg_ssl.core.methods.cellulus_supported import train as training
from napari_cellseg_ssl.core.methods.cellulus_supported.options import SupportedOptions
from napari_cellseg_ssl.core.methods.events import (
    Checkpoint,
    Note,
    Snapshot,
    Step,
    TrainFinished,
    Validated,
    last_of,
)
from napari_cellseg_ssl.core.training.base import Training
from saying import saying

TINY = SupportedOptions(steps=5, width=4, depth=1, crop=32, batch=2)
DIAMETER = 11.0


def item(n_cells=0, shape=(64, 64), channels=1):
    cells = disks(shape)
    frame = np.stack([picture(cells, seed=c) for c in range(channels)])
    note = Annotation.from_painting(painting(cells, n_cells=n_cells)) if n_cells else None
    return TrainingItem(image=ImageStack.from_array(frame, "CYX", name="disks"), annotation=note, diameter=DIAMETER)


def train(*items, options=TINY, **run):
    return list(METHOD.train(TrainingSet(items), options, Run(**run)))


def bundle_of(events):
    return last_of(events, TrainFinished).bundle


def phases(events):
    return [event.phase for event in events if isinstance(event, Step)]


def losses(events):
    return {name for event in events if isinstance(event, Step) for name in event.losses}


def said(events):
    return " ".join(event.text for event in events if isinstance(event, Note))


@pytest.fixture(scope="module")
def cellulus():
    options = CellulusOptions(steps=2, width=4, last_width=4, crop=36, batch=1, passes=2)
    return last_of(CELLULUS.train(TrainingSet((item(),)), options, Run()), TrainFinished).bundle


@pytest.fixture(scope="module")
def supported(cellulus):
    """Events of a training with a Cellulus run that is given."""
    return train(item(n_cells=3), start_from=cellulus)


def test_without_a_run_to_start_from_cellulus_learns_first():
    assert phases(train(item(n_cells=3))) == ["cellulus"] * 2 + ["supported"] * 3


def test_while_cellulus_learns_its_own_maps_can_be_seen(monkeypatch):
    monkeypatch.setattr(Training, "seconds_between_snapshots", 0.0)

    snapshots = [event for event in train(item(n_cells=3)) if isinstance(event, Snapshot)]

    assert [one.method_id for one in snapshots[:2]] == ["cellulus"] * 2
    assert "embedding" in snapshots[0].predictor(np.zeros((1, 1, 64, 64), np.float32), np.zeros((1, 2), int))


def test_a_given_cellulus_run_is_used_as_it_is(cellulus, supported):
    assert phases(supported) == ["supported"] * 5
    for name, array in cellulus.weights.items():
        assert np.array_equal(bundle_of(supported).weights[guide.PREFIX + name], array)


def test_a_batch_has_a_sparse_and_a_pseudo_half(supported):
    assert losses(supported) == {"sparse", "pseudo"}


def test_without_painted_cells_only_pseudo_labels_are_learnt(cellulus):
    assert losses(train(item(), start_from=cellulus)) == {"pseudo"}


def test_plenty_of_painted_cells_need_no_pseudo_labels_unless_the_papers_share_is_wanted(monkeypatch):
    monkeypatch.setattr(training, "PLENTY_OF_CELLS", 3)

    few, plenty = train(item(n_cells=2)), train(item(n_cells=3))
    constant = train(item(n_cells=3), options=replace(TINY, falling_alpha=False))

    assert "pseudo" in " ".join(losses(few))
    assert "pseudo" not in " ".join(losses(plenty))
    assert "3 cells are painted: nothing else needs to be learned from." in bundle_of(plenty).provenance.notes
    assert "pseudo" in " ".join(losses(constant))


def test_alpha_zero_learns_from_painted_pixels_alone_and_needs_no_cellulus():
    events = train(item(n_cells=3), options=replace(TINY, alpha=0.0))

    assert phases(events) == ["supported"] * 5
    assert losses(events) == {"sparse"}


def test_a_supported_model_learns_on_with_the_cellulus_that_it_keeps(supported):
    first = bundle_of(supported)

    events = train(item(n_cells=5), start_from=first)

    assert phases(events) == ["supported"] * 5
    assert bundle_of(events).architecture["cellulus"] == first.architecture["cellulus"]
    assert bundle_of(events).provenance.parent == first.id


def test_a_model_of_other_channels_is_refused(cellulus):
    with pytest.raises(WrongRun, match="channel"):
        train(item(n_cells=3, channels=3), start_from=cellulus)


def test_a_network_of_another_size_is_refused(supported):
    first = bundle_of(supported)

    with pytest.raises(WrongRun, match="width"):
        train(item(n_cells=3), options=replace(TINY, width=8), start_from=first)


def test_stopped_while_cellulus_learns_it_says_that_nothing_was_learnt():
    events = train(item(n_cells=3), should_stop=lambda: True)

    assert last_of(events, TrainFinished).reason == "stopped"
    assert "resume" in said(events)


def test_an_interrupted_training_goes_on_where_cellulus_was():
    options, calls = replace(TINY, steps=10), iter([False])
    checkpoint = last_of(train(item(3), options=options, should_stop=lambda: next(calls, True)), Checkpoint)

    resumed = train(item(3), options=options, resume=checkpoint)
    straight = train(item(3), options=options)

    assert phases(resumed) == ["cellulus"] * 3 + ["supported"] * 6
    for name, array in bundle_of(straight).weights.items():
        assert np.allclose(bundle_of(resumed).weights[name], array, atol=1e-6), name


def test_resuming_needs_no_cellulus_run_to_be_named_again(cellulus):
    calls = iter([False] * 4)  # proposals ask too
    stopped = train(item(3), start_from=cellulus, should_stop=lambda: next(calls, True))

    resumed = train(item(3), resume=last_of(stopped, Checkpoint))

    assert set(phases(resumed)) == {"supported"}
    assert bundle_of(resumed).provenance.steps == 5


def test_from_ten_painted_cells_on_some_are_held_out(cellulus):
    events = train(item(n_cells=12), options=replace(TINY, steps=12), start_from=cellulus)

    assert any(isinstance(event, Validated) for event in events)
    assert {"f1", "tuned_f1", "cellulus_f1", "classical_f1"} <= set(bundle_of(events).provenance.scores)
    assert re.search(saying(cellulus_supported_messages.held_out_score), said(events))


def test_a_time_budget_is_shared_by_cellulus_and_the_network():
    now = iter(range(10_000))  # each look at the clock takes a second
    events = train(item(n_cells=3), elapsed=lambda: next(now), time_budget=120.0)

    count = {phase: phases(events).count(phase) for phase in ("cellulus", "supported")}
    assert count["cellulus"] > 5
    assert count["supported"] > 5
    fractions = [event.fraction for event in events if isinstance(event, Step)]
    assert fractions == sorted(fractions)
