"""The one training loop: budget, stop, resume, best kept, and what must not change the weights."""

import time
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.methods.base import Run
from napari_cellseg_ssl.core.methods.events import (
    Checkpoint,
    Note,
    Snapshot,
    Started,
    Step,
    TrainFinished,
    Validated,
    last_of,
)
from napari_cellseg_ssl.core.model.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.training.averaging import share_of_the_work
from napari_cellseg_ssl.core.training.base import Training
from napari_cellseg_ssl.core.training.loop import train
from napari_cellseg_ssl.core.training.weights import weights_of


@dataclass(frozen=True)
class Options:
    """What the tests vary; `scores` are those of one validation after the other."""

    steps: int = 10
    rate: float = 0.1
    validations: int = 5
    validates_end: bool = False
    keeps_best: bool = False
    averages: bool = True
    enough: float = float("inf")
    share: float = 1.0
    scores: tuple[float, ...] = (0.1, 0.5, 0.3, 0.5, 0.2)


class Drawing(Training):
    """Learn from numpy's random numbers through a network that drops units by torch's."""

    def __init__(self, data, options, run):
        net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
        average = share_of_the_work(0.2) if options.averages else None
        super().__init__(options, run, net, average=average, keeps_best=options.keeps_best)
        self.optimisers["optimiser."] = torch.optim.Adam(self.net.parameters())
        self.validations, self.validates_end = options.validations, options.validates_end
        self.enough_steps, self.training_share = options.enough, options.share
        self.on_step = data or (lambda: None)

    def begin(self):
        yield self.note("It begins.")
        return True

    def learn(self, progress, rate):
        self.on_step()
        loss = self.net(torch.from_numpy(self.rng.normal(size=(2, 4)).astype(np.float32))).square().mean()
        optimiser = self.optimisers["optimiser."]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return {"loss": float(loss.detach())}

    def validate(self):
        count = int(self.done() * self.options.validations) - 1
        return {"f1": self.options.scores[max(0, count) % len(self.options.scores)]}

    def predictor(self):
        return self.result

    def finish(self, reason):
        yield self.note("It ends.")
        return ModelBundle(
            name="drawing",
            method_id="drawing",
            train_options=self.options,
            segment_options=None,
            architecture={},
            weights=weights_of(self.result),
            provenance=Provenance(scores={"best_step": self.best.step}),
        )


@dataclass
class Clock:
    """Seconds of work, which pass only when somebody says so, and those of the wall."""

    work: float = 0.0
    wall: float = field(default_factory=time.monotonic)

    def tick(self):
        self.work += 1.0


def trained(options=None, clock=None, prepare=Drawing, **run):
    clock = clock or Clock()
    return list(train(prepare, clock.tick, options or Options(), Run(elapsed=lambda: clock.work, **run)))


def bundle_of(events):
    return last_of(events, TrainFinished).bundle


def all_of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def same_weights(first, second):
    assert first.weights.keys() == second.weights.keys()
    return all(np.array_equal(first.weights[name], second.weights[name]) for name in first.weights)


def stopped_after(steps):
    asked = iter([False] * steps)
    return lambda: next(asked, True)


# --- steps and time ---------------------------------------------------------------------------------------------------


def test_without_a_budget_exactly_the_steps_are_made_however_long_they_take():
    events = trained(clock=Clock(work=1e6))

    assert events[0] == Started(10, "cpu")
    assert [step.step for step in all_of(events, Step)] == list(range(1, 11))
    assert [step.fraction for step in all_of(events, Step)] == pytest.approx(np.arange(0, 1, 0.1))
    assert events[-1].reason == "completed"


@pytest.mark.parametrize(("share", "steps"), [(1.0, 20), (0.5, 10)])
def test_a_budget_counts_seconds_and_leaves_a_share_for_the_end(share, steps):
    events = trained(Options(share=share), time_budget=20.0)

    rates = [step.rate for step in all_of(events, Step)]
    assert events[0] == Started(None, "cpu")
    assert len(rates) == steps
    assert rates[-1] < 0.2 * max(rates)
    assert events[-1].reason == "completed"


def test_time_that_previews_take_counts():
    clock = Clock()
    events = []
    for event in train(Watched, clock.tick, Options(validations=0), Run(elapsed=lambda: clock.work, time_budget=20.0)):
        events.append(event)
        if isinstance(event, Snapshot):
            clock.work += 3.0

    assert len(all_of(events, Step)) == 5


def test_a_pause_counts_neither_as_work_nor_towards_the_next_preview(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.wall)

    def pause():
        clock.wall += 1000.0
        return False

    events = trained(clock=clock, time_budget=2.0, should_stop=pause)

    assert len(all_of(events, Step)) == 2
    assert not all_of(events, Snapshot)
    assert len(all_of(events, Checkpoint)) == 1  # the one at the end


def test_previews_and_checkpoints_come_at_intervals_of_work():
    events = trained(Options(steps=40, validations=0))

    assert [event.step for event in all_of(events, Snapshot)] == list(range(3, 40, 3))
    assert [event.step for event in all_of(events, Checkpoint)] == [15, 30, 40]


def test_a_training_with_a_budget_ends_early_when_it_has_seen_enough():
    assert trained(Options(enough=4), time_budget=1e6)[-1].reason == "plateau"
    assert bundle_of(trained(Options(enough=4), time_budget=1e6)).provenance.steps == 4
    assert bundle_of(trained(Options(enough=4))).provenance.steps == 10  # who asks for steps gets them


def test_a_budget_that_ends_before_anything_is_learned_is_remarked_upon():
    few = [event.text for event in all_of(trained(time_budget=3.0), Note)]
    many = [event.text for event in all_of(trained(time_budget=60.0), Note)]

    assert any("only 3 steps" in text for text in few)
    assert not any("steps" in text for text in many)


# --- stop and resume --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("validates_end", [False, True])
@pytest.mark.parametrize("stop", range(11))
def test_a_stop_at_any_step_leaves_a_checkpoint_that_goes_on_to_the_same_model(stop, validates_end):
    options = Options(keeps_best=True, validates_end=validates_end)
    straight = trained(options)
    stopped = trained(options, should_stop=stopped_after(stop))

    resumed = trained(options, resume=last_of(stopped, Checkpoint))

    assert stopped[-1].reason == "stopped"
    assert bundle_of(stopped).provenance.steps == stop
    assert [step.step for step in all_of(resumed, Step)] == list(range(stop + 1, 11))
    assert same_weights(bundle_of(straight), bundle_of(resumed))
    assert bundle_of(resumed).provenance.scores == bundle_of(straight).provenance.scores
    late = [event for event in all_of(straight, Validated) if event.step > stop]
    assert [(event.step, event.best) for event in all_of(resumed, Validated) if event.step > stop] == [
        (event.step, event.best) for event in late
    ]


def test_a_resumed_training_with_a_longer_budget_validates_over_all_of_it():
    stopped = trained(time_budget=20.0, should_stop=stopped_after(19))

    resumed = trained(clock=Clock(work=19.0), time_budget=100.0, resume=last_of(stopped, Checkpoint))

    assert len(all_of(stopped, Validated)) == 4
    assert len(all_of(resumed, Validated)) == 4


def test_a_stop_while_the_model_is_made_is_one_and_can_be_resumed():
    class Slow(Drawing):
        def finish(self, reason):
            self.pressed.append(True)
            return (yield from super().finish(reason))

        pressed = []  # noqa: RUF012 - of this test alone

    stopped = trained(prepare=Slow, should_stop=lambda: bool(Slow.pressed))
    resumed = trained(resume=last_of(stopped, Checkpoint))

    assert stopped[-1].reason == "stopped"
    assert last_of(stopped, Checkpoint).step == 10
    assert not all_of(resumed, Step)
    assert same_weights(bundle_of(stopped), bundle_of(resumed))


def test_a_stop_in_what_comes_first_ends_without_a_checkpoint_of_what_has_not_begun():
    class Stopped(Drawing):
        def begin(self):
            yield Checkpoint(3, {}, {"phase": "first"})
            return False

    events = trained(prepare=Stopped)

    assert events[-1].reason == "stopped"
    assert [event.meta for event in all_of(events, Checkpoint)] == [{"phase": "first"}]
    assert not all_of(events, Step)


@pytest.mark.parametrize(
    ("damage", "told"),
    [({"random": None}, "damaged"), ({}, "lacks the random state")],
)
def test_a_damaged_checkpoint_is_refused_in_words(damage, told):
    checkpoint = last_of(trained(), Checkpoint)

    with pytest.raises(WrongRun, match=told):
        trained(resume=replace(checkpoint, meta=damage))


def test_a_checkpoint_without_the_records_of_the_loop_goes_on_too():
    """As earlier versions wrote them."""
    stopped = last_of(trained(should_stop=stopped_after(4)), Checkpoint)
    old = replace(
        stopped,
        arrays={name: array for name, array in stopped.arrays.items() if not name.startswith(("best.", "random."))},
        meta={"random": stopped.meta["random"]},
    )

    assert bundle_of(trained(resume=old)).provenance.steps == 10


# --- what predicts ----------------------------------------------------------------------------------------------------


def weights_by_step(options):
    """What predicts after each step, and the model that comes of it."""
    found = {}
    for event in train(Watched, None, options, Run()):
        if isinstance(event, Snapshot):
            found[event.step] = weights_of(event.predictor)
        if isinstance(event, TrainFinished):
            return found, event.bundle
    raise AssertionError


def is_of(bundle, weights):
    return all(np.array_equal(bundle.weights[name], array) for name, array in weights.items())


@pytest.mark.parametrize("averages", [True, False])
def test_the_weights_of_the_best_validation_are_returned_where_they_are_kept(averages):
    options = Options(averages=averages, keeps_best=True, scores=(0.1, 0.9, 0.3, 0.2, 0.1))
    weights, bundle = weights_by_step(options)

    best = int(bundle.provenance.scores["best_step"])
    assert 1 < best < 9
    assert is_of(bundle, weights[best])
    assert not is_of(bundle, weights[10])


@pytest.mark.parametrize("averages", [True, False])
def test_else_those_of_the_last_step_are(averages):
    weights, bundle = weights_by_step(Options(averages=averages, scores=(0.1, 0.9, 0.3, 0.2, 0.1)))

    assert is_of(bundle, weights[10])


def test_of_equally_good_validations_the_latest_is_the_best():
    found = all_of(trained(Options(scores=(0.5, 0.4, 0.5, 0.5, 0.1), validates_end=True)), Validated)

    assert [(event.scores["f1"], event.best) for event in found] == [
        (0.5, True),
        (0.4, False),
        (0.5, True),
        (0.5, True),
        (0.1, False),
    ]


def test_the_average_predicts_and_is_none_of_the_weights_that_it_follows():
    averaged, plain = (bundle_of(trained(Options(averages=averages))) for averages in (True, False))

    assert not same_weights(averaged, plain)


# --- what must not change the weights ---------------------------------------------------------------------------------


class Watched(Drawing):
    """Show and save something after every step."""

    seconds_between_snapshots = seconds_between_checkpoints = 0.0


def test_previews_and_checkpoints_do_not_change_what_is_learned():
    for event in train(Watched, None, Options(), Run()):
        if isinstance(event, Snapshot):
            torch.rand(3)
            np.random.rand(3)  # noqa: NPY002 - what somebody else may draw
            event.predictor(torch.zeros(1, 4))
        if isinstance(event, TrainFinished):
            watched = event.bundle

    assert same_weights(watched, bundle_of(trained()))


def test_the_random_numbers_of_the_host_stay_as_they_are():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)

    trained()

    torch.testing.assert_close(torch.rand(3), expected)


def test_two_trainings_at_once_do_not_disturb_each_other():
    alone = bundle_of(trained())
    pair = [train(Drawing, None, Options(), Run()) for _ in range(2)]

    together = [last_of((event,), TrainFinished) for both in zip(*pair, strict=True) for event in both
                if isinstance(event, TrainFinished)]  # fmt: skip

    assert len(together) == 2
    assert all(same_weights(alone, one.bundle) for one in together)


# --- what is said and kept --------------------------------------------------------------------------------------------


def test_a_model_says_where_it_comes_from():
    parent = bundle_of(trained())
    events = trained(Options(steps=25), seed=3, start_from=parent)

    found = bundle_of(events)
    origin = found.provenance
    assert (origin.seed, origin.steps, origin.reason, origin.parent) == (3, 25, "completed", parent.id)
    assert origin.seconds == 25.0
    assert origin.notes == ("It begins.", "It ends.")
    assert [event.text for event in all_of(events, Note)] == ["It begins.", "It ends."]
    assert origin.scores == {"best_step": found.provenance.scores["best_step"]}
    assert {row["step"] for row in found.history} == {1, 11, 21} | {event.step for event in all_of(events, Validated)}
    assert sum("f1" in row for row in found.history) == len(all_of(events, Validated))
