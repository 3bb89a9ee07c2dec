"""What the screen must show, as a pure function of what has happened: no Qt, no napari, no torch.

`advance` folds events into a `SessionState`; `controls` says from a state which buttons may be pressed and what the
user reads. The docks only send events in and draw controls.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

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
from napari_cellseg_ssl.tasks.curve import Curve
from napari_cellseg_ssl.tasks.events import FileWritten, TrialDone, TuneFinished
from napari_cellseg_ssl.tasks.progress import describe, measured
from napari_cellseg_ssl.tasks.session.events import (
    Activity,
    Agreement,
    Began,
    BundleOpened,
    Checked,
    Counted,
    Ended,
    Failed,
    ImageChosen,
    MapsTaken,
    MethodChosen,
    OptionsKept,
    PauseAsked,
    SavingChanged,
    StopAsked,
    VersionAdded,
    VersionRestored,
    VersionsFound,
)
from napari_cellseg_ssl.tasks.session.models import give_back, numbered, took, with_bundle
from napari_cellseg_ssl.tasks.session.state import SessionState, version_before

__all__ = [
    "Activity",
    "Agreement",
    "Began",
    "BundleOpened",
    "Checked",
    "Controls",
    "Counted",
    "Ended",
    "Failed",
    "ImageChosen",
    "MapsTaken",
    "MethodChosen",
    "OptionsKept",
    "PauseAsked",
    "SavingChanged",
    "SessionState",
    "StopAsked",
    "VersionAdded",
    "VersionRestored",
    "VersionsFound",
    "advance",
    "controls",
    "duration",
    "version_before",
]


DOING: Mapping[str, str] = {
    "idle": "Ready",
    "preparing": "Preparing",
    "training": "Learning",
    "pretraining": "Comparing pre-trainings",
    "predicting": "Looking at the image",
    "segmenting": "Drawing the cells",
    "tuning": "Searching thresholds",
    "exporting": "Exporting",
    "saving": "Saving the run",
    "opening": "Opening the run",
    "comparing": "Comparing two versions",
    "searching": "Searching for fields worth painting",
    "drawing": "Drawing images",
    "likening": "Looking for similar regions",
}
LEARNING = ("training", "pretraining")
"""Activities with a curve and scores."""


@dataclass(frozen=True, kw_only=True)
class Controls:
    """What may be pressed and what is read."""

    can_choose: bool
    can_train: bool
    can_stop: bool
    can_pause: bool
    pause_text: str
    can_segment: bool
    can_adjust: bool
    can_tune: bool
    can_save: bool
    can_open: bool
    can_roll_back: bool
    is_busy: bool
    progress: float | None
    progress_text: str
    status: str
    is_problem: bool
    reasons: tuple[str, ...]


def advance(state: SessionState, event: object, seconds: float = 0.0) -> SessionState:
    """Return the state after an event; events that mean nothing here change nothing.

    Parameters
    ----------
    seconds : float
        Active seconds since the job began, pauses not counted.
    """
    match event:
        case ImageChosen(name):
            return replace(state, image=name, has_maps=False, agreement="", remark="")
        case MapsTaken():
            return replace(state, has_maps=True)
        case MethodChosen(method_id, learns):
            state = give_back(state, method_id) if state.borrowed else state
            return replace(state, method_id=method_id, learns=learns, has_maps=False, failure=None)
        case Checked(reasons, n_cells):
            return replace(state, reasons=reasons, n_cells=n_cells)
        case Counted(found):
            text = "" if found is None else _in_words(found)
            return state if text == state.agreement else replace(state, agreement=text)
        case VersionsFound(versions):
            return replace(state, versions=versions)
        case VersionAdded(version, bundle):
            state = replace(state, versions=(*state.versions, version), current=version.number, bundle=bundle)
            return state if state.borrowed else replace(numbered(state, version.number), own=bundle)
        case VersionRestored(version, bundle):
            state = took(state, bundle, f"Went back to version {version.number},")
            return replace(state, current=version.number) if state.borrowed else numbered(state, version.number)
        case OptionsKept(bundle):
            return replace(state, bundle=bundle, message=f"Model '{bundle.name}' keeps these values.")
        case BundleOpened(bundle, folder):
            return took(state, bundle, f"Opened {folder}:")
        case SavingChanged(trouble):
            return replace(state, unsaved=trouble)
        case Failed():
            return replace(state, failure=event)
        case Remark(text):
            return replace(state, remark=f"{state.remark} {text}".strip())
        case Note(text):
            return replace(state, message=text)
    return state if state.activity == "idle" and not isinstance(event, Began) else _advance_job(state, event, seconds)


def _advance_job(state: SessionState, event: object, seconds: float) -> SessionState:
    match event:
        case Began(activity, can_pause):
            return _begin(state, activity, can_pause)
        case PauseAsked(paused):
            return replace(state, paused=paused and state.can_pause)
        case StopAsked():
            return replace(state, stopping=True, paused=False)
        case Ended():
            return replace(state, activity="idle", can_pause=False, paused=False, stopping=False, fraction=None)
    return _advance_progress(state, event, seconds)


def _begin(state: SessionState, activity: Activity, can_pause: bool) -> SessionState:
    was_idle = state.activity == "idle"
    state = replace(state, activity=activity, can_pause=can_pause, fraction=None, phase="")
    if was_idle:
        remark = state.remark if activity == "segmenting" else ""  # a slider changes nothing about the maps
        state = replace(state, failure=None, message="", agreement="", remark=remark, stopping=False, paused=False)
    return replace(state, curve=Curve(), earlier={}, measures={}, score="") if activity in LEARNING else state


def _advance_progress(state: SessionState, event: object, seconds: float) -> SessionState:
    match event:
        case Started(_, device):
            return replace(state, device=device)
        case Step(step, fraction, losses, _, phase):
            state = _in_phase(_moved(state, fraction, seconds), phase)
            measures = measured(state.measures, losses)
            return replace(state, curve=state.curve.with_point(step, losses), measures=measures)
        case Validated(_, scores, _):
            return replace(state, score=", ".join(f"{name} {value:.2f}" for name, value in scores.items()))
        case TileDone(done, total) | TrialDone(done, total):
            return _moved(state, done / max(1, total), seconds)
        case TrainFinished(bundle, reason):
            words = {"stopped": "Stopped; the best so far is", "plateau": "It stopped getting better:"}
            return with_bundle(state, bundle, words.get(reason, "Learned"))
        case MapsReady():
            return replace(state, has_maps=True)
        case Agreement():
            return replace(state, agreement=_in_words(event), message="")
        case TuneFinished(_, score, default_score):
            return replace(state, message=f"Best score {score:.2f} on the painted cells; it was {default_score:.2f}.")
        case FileWritten(path):
            return replace(state, message=f"Wrote {path.name}.")
    return state


def _in_words(found: Agreement) -> str:
    if found.f1 is None:
        return f"{found.n_cells} cells."
    return (
        f"{found.n_cells} cells; the classical result has {found.n_reference}, and they agree with F1 {found.f1:.2f}."
    )


def _in_phase(state: SessionState, phase: str) -> SessionState:
    """Draw the curve of a part of its own, for losses of two parts cannot be compared; it goes on if it comes back."""
    if phase == state.phase:
        return state
    curve = state.earlier.get(phase, Curve())
    return replace(state, phase=phase, curve=curve, earlier={**state.earlier, state.phase: state.curve}, measures={})


def _moved(state: SessionState, fraction: float, seconds: float) -> SessionState:
    start = (seconds, fraction) if state.fraction is None else state.start
    return replace(state, fraction=fraction, seconds=seconds, start=start)


def controls(state: SessionState) -> Controls:
    """Say what the screen shows in a state."""
    idle = state.activity == "idle"
    fits = state.bundle is not None and state.bundle.method_id == state.method_id
    ready = idle and bool(state.image)
    return Controls(
        can_choose=idle,
        can_train=ready and state.learns and not state.reasons,
        can_stop=not idle and not state.stopping,
        can_pause=state.can_pause and not state.stopping,
        pause_text="Resume" if state.paused else "Pause",
        can_segment=ready and (fits or state.borrowed or not state.learns),
        can_adjust=state.has_maps and (idle or state.activity == "segmenting"),
        can_tune=ready and state.has_maps,
        can_save=idle and state.bundle is not None,
        can_open=idle,
        can_roll_back=idle and version_before(state) is not None,
        is_busy=not idle,
        progress=state.fraction,
        progress_text=_progress_text(state),
        status=_status(state),
        is_problem=state.failure is not None,
        reasons=_reasons(state),
    )


def _reasons(state: SessionState) -> tuple[str, ...]:
    if not state.image:
        return ("Open an image first: drag it into the window, or File > Open Sample > Cell segmentation.",)
    if not state.learns:
        return ("This method learns nothing: go on to step 4.",)
    return state.reasons


def _status(state: SessionState) -> str:
    if state.failure is not None:
        return f"{state.failure.message} {state.failure.hint}".strip()
    if state.activity == "idle":
        return " ".join(part for part in (state.message, state.agreement, state.remark) if part) or _next_step(state)
    if state.stopping:
        return "Stopping; the best so far is kept …"
    doing = DOING[state.activity]
    if state.paused:
        return f"{doing}: paused."
    is_learning = state.activity in LEARNING
    found = describe(state.phase, state.curve, state.measures, state.score) if is_learning else ""
    return f"{doing}: {found}" if found else f"{doing}. {state.message}".strip()


def _next_step(state: SessionState) -> str:
    if not state.image or state.reasons:
        return "Ready."
    return "Ready to learn: step 3." if state.learns else "Ready: press Segment."


def _progress_text(state: SessionState) -> str:
    if state.activity == "idle":
        return ""
    if state.fraction is None:
        return f"{DOING[state.activity]} …"
    percent = f"{100 * min(1.0, state.fraction):.0f} %"
    passed, done = state.seconds - state.start[0], state.fraction - state.start[1]
    if state.paused or passed < 1 or done < 0.02:
        return percent
    left = passed * (1 - state.fraction) / done
    return f"{percent} · {duration(left)} left"


def duration(seconds: float) -> str:
    """Write a duration as a person says it: 45 s, 3 min, 1 h 20 min."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
