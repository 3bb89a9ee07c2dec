"""Search for segmentation options on cached maps, scored on what was painted."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.annotations import Annotation
from napari_cellseg_ssl.core.errors import WrongAnnotation
from napari_cellseg_ssl.core.maps import PredictionMaps
from napari_cellseg_ssl.core.method import Method
from napari_cellseg_ssl.core.metrics import pooled_f1, sparse_score
from napari_cellseg_ssl.core.options import OptionSpec, option_specs
from napari_cellseg_ssl.core.registry import get_method
from napari_cellseg_ssl.tasks.control import Control
from napari_cellseg_ssl.tasks.events import TrialDone, TuneEvent, TuneFinished
from napari_cellseg_ssl.tasks.guard import guarded
from napari_cellseg_ssl.tasks.requests import TuneRequest

GRID = 21
"""Values tried per continuous option, when its step does not say how many."""


def tune(request: TuneRequest, control: Control | None = None) -> Iterator[TuneEvent]:
    """Try options at random within their ranges; the network is not run again.

    Yields
    ------
    TrialDone per trial, the starting options first; then `TuneFinished`, also after a stop.

    Raises
    ------
    WrongAnnotation
        If nothing is painted that a score could be computed on.
    """
    control = control or Control()
    with guarded("Tuning"):
        if not any(note.n_cells for note in request.annotations):
            raise WrongAnnotation("No cell is painted, so there is no score to tune for.", "Paint some cells first.")
        method = get_method(request.method_id)
        candidates = [request.options, *_candidates(request)]
        trials: list[tuple[float, Any]] = []
        for options in candidates:
            if trials and control.should_stop():
                break
            score = _score(method, request, options)
            trials.append((score, options))
            yield TrialDone(len(trials), len(candidates), options, score)
        # A stable sort: among equals the earliest wins, which is the default if it is among them.
        ranked = tuple(sorted(trials, key=lambda trial: -trial[0]))
        yield TuneFinished(ranked[0][1], ranked[0][0], trials[0][0], ranked)


def _candidates(request: TuneRequest) -> Iterator[Any]:
    from sklearn.model_selection import ParameterSampler

    space = {spec.name: _values(spec) for spec in option_specs(type(request.options))}
    space = {name: values for name, values in space.items() if len(values) > 1}
    if not space or request.trials < 1:
        return
    size = float(np.prod([len(values) for values in space.values()]))
    n = int(min(request.trials, size))
    for values in ParameterSampler(space, n, random_state=request.seed):
        yield replace(request.options, **values)


def _values(spec: OptionSpec) -> list[Any]:
    """List what to try for an option; options without a range keep their value."""
    if spec.type is bool:
        return [False, True]
    if spec.choices:
        return list(spec.choices)
    if spec.min is None or spec.max is None:
        return []
    steps = GRID if not spec.step else int(min(GRID, (spec.max - spec.min) / spec.step + 1))
    values = np.linspace(spec.min, spec.max, max(2, steps))
    return sorted({spec.type(round(float(value), 6)) for value in values})


def _score(method: Method, request: TuneRequest, options: Any) -> float:
    pairs = zip(request.maps, request.annotations, strict=True)
    return pooled_f1([match for maps, note in pairs for match in _matches(method, maps, note, options)])


def _matches(method: Method, maps: PredictionMaps, note: Annotation, options: Any) -> list[Any]:
    labels = method.segment(maps, options)
    frames = zip(note.cells, note.known, labels, strict=True)
    return [sparse_score(cells, known, found) for cells, known, found in frames if known.any()]
