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

NEAR_SHARE, NEAR_SPREAD = 0.7, 0.35
"""Share of the numbers drawn around the current value, and how far around: the sigma of its logarithm."""


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
        candidates = list(dict.fromkeys([request.options, *_candidates(request)]))
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
    """Change each option with even odds, numbers mostly to something near: good values are rarely far away."""
    rng = np.random.default_rng(request.seed)
    specs = [spec for spec in option_specs(type(request.options)) if _is_tunable(spec)]
    for _ in range(request.trials if specs else 0):
        changed = [spec for spec in specs if rng.random() < 0.5] or [specs[rng.integers(len(specs))]]
        values = {spec.name: _draw(spec, getattr(request.options, spec.name), rng) for spec in changed}
        yield replace(request.options, **values)


def _is_tunable(spec: OptionSpec) -> bool:
    has_values = spec.type is bool or len(spec.choices) > 1 or (spec.min is not None and spec.max is not None)
    return has_values and not spec.advanced


def _draw(spec: OptionSpec, current: Any, rng: np.random.Generator) -> Any:
    if spec.type is bool:
        return bool(rng.integers(2))
    if spec.choices:
        return spec.choices[rng.integers(len(spec.choices))]
    low, high = float(spec.min or 0.0), float(spec.max or 0.0)
    is_near = current > 0 and rng.random() < NEAR_SHARE
    value = current * np.exp(rng.normal(0.0, NEAR_SPREAD)) if is_near else rng.uniform(low, high)
    if spec.step:
        value = low + round((value - low) / spec.step) * spec.step
    return spec.type(round(float(min(high, max(low, value))), 6))


def _score(method: Method, request: TuneRequest, options: Any) -> float:
    pairs = zip(request.maps, request.annotations, strict=True)
    return pooled_f1([match for maps, note in pairs for match in _matches(method, maps, note, options)])


def _matches(method: Method, maps: PredictionMaps, note: Annotation, options: Any) -> list[Any]:
    labels = method.segment(maps, options)
    frames = zip(note.cells, note.known, labels, strict=True)
    return [sparse_score(cells, known, found) for cells, known, found in frames if known.any()]
