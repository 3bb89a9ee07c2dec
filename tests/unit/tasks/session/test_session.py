"""What the screen must show, without a screen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg_ssl.core.methods.events import (
    MapsReady,
    Note,
    Remark,
    Started,
    Step,
    TileDone,
    TrainFinished,
    Validated,
)
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.tasks.curve import POINTS, Curve
from napari_cellseg_ssl.tasks.events import FileWritten, LabelsReady, Trial, TrialDone, TuneFinished
from napari_cellseg_ssl.tasks.session.advance import (
    Agreement,
    Began,
    BundleOpened,
    Checked,
    Ended,
    Failed,
    ImageChosen,
    MethodChosen,
    PauseAsked,
    SessionState,
    StopAsked,
    VersionAdded,
    VersionRestored,
    VersionsFound,
    advance,
    controls,
    duration,
    version_before,
)
from napari_cellseg_ssl.tasks.session.versions import Version

TRAINING = (Began("training", can_pause=True), Started(100, "cpu"))


def model(name="first", method_id="cellulus"):
    return ModelBundle(
        name=name, method_id=method_id, train_options=None, segment_options=None, architecture={}, weights={}
    )


def after(*events, state=None, seconds=0.0):
    state = state or SessionState(method_id="cellulus", image="nuclei")
    for event in events:
        state = advance(state, event, seconds)
    return state


def labels():
    return LabelsReady(np.zeros((1, 4, 4), np.int32), None, 5.0)


def test_without_an_image_the_user_is_told_to_open_one():
    shown = controls(after(ImageChosen("")))
    assert not shown.can_train
    assert not shown.can_segment
    assert "Open an image" in shown.reasons[0]


def test_with_an_image_and_nothing_wrong_training_can_start():
    shown = controls(after(ImageChosen("nuclei"), Checked(())))
    assert shown.can_train
    assert shown.reasons == ()
    assert not shown.can_stop
    assert not shown.can_segment  # nothing is learned yet


def test_what_is_wrong_with_the_painting_keeps_training_from_starting():
    shown = controls(after(Checked(("3 cells are painted but no background.",))))
    assert not shown.can_train
    assert shown.reasons == ("3 cells are painted but no background.",)


def test_a_method_that_learns_nothing_segments_at_once():
    shown = controls(after(MethodChosen("classical", learns=False)))
    assert not shown.can_train
    assert shown.can_segment


def test_while_a_job_runs_nothing_else_can_be_started():
    shown = controls(after(TrainFinished(model(), "completed"), *TRAINING))
    assert not any([shown.can_train, shown.can_segment, shown.can_tune, shown.can_open, shown.can_save])
    assert not shown.can_choose
    assert shown.can_stop
    assert shown.can_pause


def test_steps_move_the_progress_and_say_how_long_it_will_take():
    state = after(*TRAINING, Step(1, 0.0, {"loss": 2.0}))
    state = advance(state, Step(50, 0.5, {"loss": 1.0}, phase="teacher"), 30.0)
    shown = controls(state)
    assert shown.progress == 0.5
    assert shown.progress_text == "50 % · 30 s left"
    assert "teacher" in shown.status
    assert "loss 1" in shown.status


def test_a_resumed_training_reckons_from_where_it_was_resumed():
    state = advance(after(*TRAINING), Step(50, 0.5, {"loss": 1.0}), 100.0)
    state = advance(state, Step(75, 0.75, {"loss": 1.0}), 110.0)
    assert controls(state).progress_text == "75 % · 10 s left"


def test_a_pause_stops_the_estimate_and_offers_to_go_on():
    state = advance(after(*TRAINING, Step(1, 0.0, {})), Step(50, 0.5, {}), 30.0)
    shown = controls(advance(state, PauseAsked(True)))
    assert shown.pause_text == "Resume"
    assert shown.progress_text == "50 %"
    assert shown.status == "Learning: paused."
    assert controls(after(PauseAsked(True), PauseAsked(False), state=state)).pause_text == "Pause"


def test_maps_that_are_there_are_not_searched_while_a_job_runs():
    resting = after(*TRAINING, TrainFinished(model(), "completed"), MapsReady(None), Ended())
    assert controls(resting).can_tune
    busy = after(Began("saving"), state=resting)
    assert busy.has_maps
    assert not controls(busy).can_tune


def test_a_job_that_cannot_pause_is_not_paused():
    assert not after(Began("saving"), PauseAsked(True)).paused


def test_stop_can_be_pressed_once_and_says_what_happens():
    shown = controls(after(*TRAINING, StopAsked()))
    assert not shown.can_stop
    assert not shown.can_pause
    assert "best so far is kept" in shown.status


def test_a_stopped_training_keeps_its_model():
    shown_state = after(*TRAINING, StopAsked(), TrainFinished(model(), "stopped"), Ended())
    shown = controls(shown_state)
    assert shown.can_segment
    assert shown.can_save
    assert shown.can_train
    assert "Stopped" in shown.status


@pytest.mark.parametrize("activity", ["training", "predicting", "segmenting", "tuning", "exporting", "saving"])
def test_an_error_in_any_job_ends_in_one_message_and_an_idle_screen(activity):
    shown = controls(after(Began(activity), Failed("No memory.", "Close programs.", "Traceback"), Ended()))
    assert shown.status == "No memory. Close programs."
    assert shown.is_problem
    assert not shown.is_busy
    assert not shown.can_stop
    assert shown.progress is None
    assert shown.can_train


def test_the_next_job_clears_the_error_of_the_last():
    assert not controls(after(Began("training"), Failed("Bad."), Ended(), Began("training"))).is_problem


def test_late_events_of_a_finished_job_change_nothing():
    state = after(*TRAINING, TrainFinished(model(), "completed"), Ended())
    for event in (Step(3, 0.1, {"loss": 1.0}), TileDone(1, 2), PauseAsked(True), StopAsked(), MapsReady(None), "?"):
        assert advance(state, event) is state


def test_maps_make_the_sliders_usable_and_another_image_takes_them_away():
    state = after(Began("predicting"), TileDone(1, 4), MapsReady(None), labels(), Ended())
    assert controls(state).can_adjust
    assert controls(state).can_tune
    assert not controls(advance(state, ImageChosen("other"))).can_adjust


def test_a_new_model_needs_new_maps():
    state = after(Began("predicting"), MapsReady(None), Began("training"), TrainFinished(model(), "completed"), Ended())
    assert not controls(state).can_adjust


def test_a_model_of_another_method_does_not_segment():
    state = after(*TRAINING, TrainFinished(model(), "completed"), Ended(), MethodChosen("actis"))
    assert not controls(state).can_segment
    assert controls(advance(state, MethodChosen("cellulus"))).can_segment


def version(number, origin="learned"):
    record = {"when": "2026-03-01T12:00:00", "name": "m", "method_id": "cellulus", "n_cells": 3, "score": None}
    return Version(folder=Path(str(number)), number=number, origin=origin, weights="", labels={}, **record)


def test_rolling_back_goes_to_the_version_before_the_current_one():
    first, second = model("first"), model("second")
    state = after(*TRAINING, TrainFinished(first, "completed"), VersionAdded(version(1), first), Ended())
    assert not controls(state).can_roll_back
    training = (*TRAINING, TrainFinished(second, "plateau"), VersionAdded(version(2), second), Ended())
    state = after(*training, state=state)
    assert state.bundle is second
    assert version_before(state) == version(1)
    assert controls(state).can_roll_back
    state = after(Began("opening"), VersionRestored(version(1), first), Ended(), state=state)
    assert state.bundle is first
    assert "version 1" in controls(state).status
    assert not controls(state).can_roll_back


def test_what_was_kept_while_rolling_back_is_no_model_to_roll_back_to():
    state = after(VersionsFound((version(1, "kept"), version(2), version(3, "kept"))))
    assert version_before(state) == version(2)


def test_a_model_that_is_no_version_yet_can_be_rolled_back_to_the_newest():
    state = after(VersionAdded(version(1), model()), Began("opening"), BundleOpened(model("theirs"), "run"), Ended())
    assert state.current is None
    assert version_before(state) == version(1)


def test_keeping_a_version_leaves_maps_and_words_alone():
    state = after(Began("predicting"), MapsReady(None), Ended(), Note("Read me."))
    state = advance(state, VersionAdded(version(1), model()))
    assert controls(state).can_adjust
    assert controls(state).status == "Read me."


def test_an_opened_run_can_be_used_at_once():
    state = after(Began("opening"), BundleOpened(model("theirs"), "run-7"), Ended())
    shown = controls(state)
    assert shown.can_segment
    assert "theirs" in shown.status
    assert "run-7" in shown.status


STARTER = model("starter:nuclei", "actis")
OWN = (Began("training"), TrainFinished(model("mine"), "done"), VersionAdded(version(1), model("mine")), Ended())
BORROWED = (Began("preparing"), BundleOpened(STARTER, "starter:nuclei"), MapsReady(None), Ended())


def test_a_starter_segments_while_the_chosen_method_stays_ready_to_learn():
    state = after(*BORROWED)

    assert (state.method_id, state.segments_with) == ("cellulus", "actis")
    assert state.bundle is STARTER
    assert controls(state).can_train
    assert controls(state).can_segment
    assert controls(after(ImageChosen("another"), state=state)).can_segment


def test_what_the_user_has_learned_is_theirs_while_a_starter_is_used():
    learned = after(*OWN)
    state = after(*BORROWED, *BORROWED, state=learned)

    assert state.own.name == "mine"
    assert state.curve == learned.curve
    assert state.versions == learned.versions


def test_choosing_a_method_leaves_the_starter_for_the_users_model_of_it():
    state = after(*OWN, *BORROWED, MethodChosen("cellulus"))

    assert (state.segments_with, state.bundle.name, state.current) == ("cellulus", "mine", 1)
    assert not state.has_maps
    assert not state.borrowed


def test_a_starter_can_be_trained_on_from_by_its_own_method():
    state = after(*OWN, *BORROWED, MethodChosen("actis"))

    assert state.bundle is STARTER
    assert (state.segments_with, state.current) == ("actis", None)


def test_a_training_ends_the_use_of_a_starter():
    state = after(*BORROWED, Began("training"), TrainFinished(model("mine"), "done"), Ended())

    assert not state.borrowed
    assert (state.segments_with, state.own.name) == ("cellulus", "mine")


def test_the_agreement_with_the_classical_result_is_a_sentence():
    status = controls(after(Began("predicting"), MapsReady(None), Agreement(0.914, 150, 143), Ended())).status
    assert "150 cells" in status
    assert "143" in status
    assert "F1 0.91" in status


def test_a_remark_about_a_prediction_stays_beside_the_result_until_there_is_another():
    segmented = after(Began("predicting"), Remark("Another kind."), MapsReady(None), Agreement(0.1, 4, 62), Ended())
    moved = after(Began("segmenting"), Ended(), state=segmented)

    assert controls(segmented).status.endswith("F1 0.10. Another kind.")
    assert "Another kind." in controls(moved).status
    assert "Another kind." not in controls(after(Began("predicting"), MapsReady(None), Ended(), state=moved)).status
    assert "Another kind." not in controls(after(ImageChosen("other"), state=moved)).status


def test_scores_trials_and_files_are_reported():
    assert "f1 0.81" in controls(after(*TRAINING, Validated(5, {"f1": 0.81}, True))).status
    state = after(Began("tuning"), TrialDone(3, 60, Trial(None, 0.5, 0.5)))
    assert controls(state).progress == pytest.approx(0.05)
    assert "0.90" in controls(after(TuneFinished(None, 0.9, 0.8, ()), Ended(), state=state)).status
    assert "a.tif" in controls(after(Began("exporting"), FileWritten(Path("a.tif")), Ended())).status


def test_notes_are_read_also_when_nothing_runs():
    assert controls(after(Note("The image was closed."))).status == "The image was closed."
    assert controls(SessionState()).status == "Ready."
    assert controls(after()).status == "Ready to learn: step 3."


def test_states_are_never_changed_in_place():
    state = after(*TRAINING)
    copy = replace(state)
    advance(state, Step(1, 0.1, {"loss": 1.0}))
    assert state == copy


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (89, "89 s"), (150, "2 min"), (4800, "80 min"), (7260, "2 h 1 min")]
)
def test_durations_are_written_as_said(seconds, text):
    assert duration(seconds) == text


def test_a_curve_never_has_more_than_its_points_and_stays_even():
    curve = Curve()
    for step in range(10_000):
        curve = curve.with_point(step, {"loss": float(step)})
    assert POINTS / 2 <= len(curve.steps) < POINTS
    gaps = np.diff(curve.steps)
    assert gaps.max() == gaps.min()
    assert curve.last > 9_900


def test_a_curve_prefers_the_total_loss_and_ignores_steps_without_one():
    assert Curve().with_point(1, {"class": 3.0, "loss": 1.0}).last == 1.0
    assert Curve().with_point(1, {"class": 3.0}).last == 3.0
    assert Curve().with_point(1, {}).values == ()


def test_a_training_in_two_parts_says_which_it_is_at_and_shows_the_losses_of_that_part_alone():
    first = after(*TRAINING, Step(1, 0.1, {"loss": 0.9}, phase="cellulus"))
    second = after(
        *TRAINING, Step(1, 0.1, {"loss": 0.9}, phase="cellulus"), Step(2, 0.5, {"loss": 3.0}, phase="supported")
    )

    assert "embeddings, from the images alone" in controls(first).status
    assert "cells, from pseudo-labels" in controls(second).status
    assert list(second.curve.values) == [3.0]


def test_a_part_that_comes_back_goes_on_with_its_curve():
    state = after(
        *TRAINING,
        Step(1, 0.1, {"contrast": 6.0, "chance": 5.95}, phase="contrast"),
        Step(2, 0.3, {"loss": 3.0, "proposals": 1.0}, phase="source"),
        Step(3, 0.5, {"contrast": 5.0, "chance": 5.95}, phase="contrast"),
    )

    assert state.curve.steps == (1, 3)
    assert state.curve.values == (6.0, 5.0)
    assert after(*TRAINING, state=state).earlier == {}


def test_the_level_of_chance_stays_with_the_curve_that_it_belongs_to():
    curve = Curve().with_point(1, {"contrast": 6.0, "chance": 5.95})

    assert curve.values == (6.0,)
    assert curve.level == 5.95
    for step in range(2, 3 * POINTS):
        curve = curve.with_point(step, {"contrast": 6.0, "chance": 5.95})
    assert curve.level == 5.95
    assert Curve().with_point(1, {"loss": 1.0}).level is None


def test_without_labels_the_status_says_how_many_views_are_found_and_what_chance_would_be():
    losses = {"contrast": 5.1, "chance": 5.95, "accuracy": 0.12}

    assert controls(after(*TRAINING, Step(1, 0.1, losses, phase="contrast"))).status == (
        "Learning: 2 learns what your images look like · loss 5.1 (chance 5.95) · 12 % of views found"
    )


def test_while_the_source_is_learned_the_status_says_how_far_the_backbone_moved():
    first = after(*TRAINING, Step(1, 0.1, {"loss": 2.5, "masks": 0.7}, phase="source"))
    held = after(Step(2, 0.2, {"loss": 2.5, "masks": 0.7, "drift": 0.0234}, phase="source"), state=first)

    assert controls(first).status == "Learning: 1 learns what objects are (source) · loss 2.5"
    assert controls(held).status == "Learning: 1 learns what objects are (source) · loss 2.5 · drift 2.3 %"


def test_what_few_tiles_say_is_averaged_over_steps():
    state = after(*TRAINING, *(Step(n, 0.1, {"contrast": 5.0, "accuracy": n % 2}, phase="contrast") for n in range(99)))

    assert state.measures["accuracy"] == pytest.approx(0.5, abs=0.05)


def test_fine_tuning_is_told_in_words():
    assert "3 learns your cells" in controls(after(*TRAINING, Step(1, 0.1, {"loss": 2.5}, phase="fine-tune"))).status
