"""Search for segmentation options on cached maps, scored on what was painted."""

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any

from napari_cellseg_ssl.core.methods.base import Method, get_method
from napari_cellseg_ssl.core.metrics.scores import SparseMatches, mean_overlap, pooled_f1, sparse_score
from napari_cellseg_ssl.tasks import messages
from napari_cellseg_ssl.tasks.events import Trial, TrialDone, TuneEvent, TuneFinished
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.memory import guarded
from napari_cellseg_ssl.tasks.painted_part import PaintedPart, painted_part
from napari_cellseg_ssl.tasks.requests import TuneRequest
from napari_cellseg_ssl.tasks.search_space import is_ordered, search_space, steps_between

RANDOM_TRIALS = 20
"""After so many the sampler has seen enough to prefer what was good."""


def tune(request: TuneRequest, control: Control | None = None) -> Iterator[TuneEvent]:
    """Try options around the current ones by Optuna's TPE sampler; the network is not run again.

    Yields
    ------
    TrialDone per trial, the starting options first; then `TuneFinished`, also after a stop, unless nothing was tried.

    Raises
    ------
    WrongAnnotation
        If nothing is painted that a score could be computed on.
    """
    control = control or Control()
    with guarded("Tuning"):
        if not any(note.n_cells for note in request.annotations):
            raise messages.nothing_to_tune_for()
        pairs = zip(request.maps, request.annotations, strict=True)
        painted = [painted_part(maps, note) for maps, note in pairs if note.known.any()]
        method, sampler = get_method(request.method_id), _Sampler(request)
        trials: list[Trial] = []
        while len(trials) < sampler.total and (options := sampler.ask()) is not None:
            matches = _matches(method, painted, options, control)
            if matches is None:
                break
            trial = Trial(options, pooled_f1(matches), mean_overlap(matches), sampler.distance)
            sampler.tell(trial.worth)
            trials.append(trial)
            yield TrialDone(len(trials), sampler.total, trial)
        if trials:
            # A stable sort: among equals the earliest wins, which is the default if it is among them.
            ranked = tuple(sorted(trials, key=lambda trial: trial.worth, reverse=True))
            yield TuneFinished(ranked[0].options, ranked[0].score, trials[0].score, ranked)


class _Sampler:
    """What to try next: the starting options, then what Optuna proposes, each only once."""

    def __init__(self, request: TuneRequest) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        distributions = optuna.distributions
        self._start = request.options
        self._space = search_space(request.options)
        self._distributions = {
            name: distributions.IntDistribution(0, len(values) - 1)
            if is_ordered(values)
            else distributions.CategoricalDistribution(range(len(values)))
            for name, values in self._space.items()
        }
        sampler = optuna.samplers.TPESampler(seed=request.seed, n_startup_trials=RANDOM_TRIALS)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._here = {name: values.index(getattr(request.options, name)) for name, values in self._space.items()}
        self._study.enqueue_trial(self._here)
        self.total = min(max(1, request.trials), prod(len(values) for values in self._space.values()))
        self._values: dict[Any, float] = {}
        self._asked: Any = None

    def ask(self) -> Any:
        """Return options that were not tried yet; None if the sampler finds no others."""
        for _ in range(2 * self.total):
            self._asked = self._study.ask(self._distributions)
            values = {name: self._space[name][place] for name, place in self._asked.params.items()}
            self._options = replace(self._start, **values)
            if self._options not in self._values:
                return self._options
            self.tell(self._values[self._options])
        return None

    @property
    def distance(self) -> int:
        """Steps from the starting options to those that were asked for last."""
        places = self._asked.params
        return sum(steps_between(values, self._here[name], places[name]) for name, values in self._space.items())

    def tell(self, value: float) -> None:
        """Say how good the options were that were asked for last."""
        self._values[self._options] = value
        self._study.tell(self._asked, value)


def _matches(method: Method, painted: list[PaintedPart], options: Any, control: Control) -> list[SparseMatches] | None:
    """Segment and compare with what is painted; None after a stop."""
    matches = []
    for one in painted:
        if control.should_stop():
            return None
        labels = method.segment(one.maps, options)
        matches += [sparse_score(*frame) for frame in zip(one.cells, one.known, labels, strict=True)]
    return matches
