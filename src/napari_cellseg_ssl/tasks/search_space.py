"""Which values of each segmentation option are worth trying: a short list around the current one."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.options import OptionSpec, option_specs

STEPS = 9
FARTHEST_RATIO, FARTHEST_ODDS = 3.0, 6.0
"""How far from the current value a search goes: as a factor of a length or a size, and of the odds of a share."""
HIGHEST_SHARE = 0.95
"""From values beyond it, or below its counterpart, a search spreads as from here: else it would hardly move."""


def search_space(options: Any) -> Mapping[str, tuple[Any, ...]]:
    """List the values to try of every option that is worth searching; the current one is among them.

    Options for experts, and numbers without limits, are left alone unless they say what to search.
    """
    space = {}
    for spec in option_specs(type(options)):
        values = _values(spec, getattr(options, spec.name))
        if len(values) > 1:
            space[spec.name] = values
    return space


def steps_between(values: tuple[Any, ...], first: int, second: int) -> int:
    """Count the steps from one place in a list of values to another; names are half a list apart."""
    return abs(first - second) if is_ordered(values) else (first != second) * (STEPS // 2)


def is_ordered(values: tuple[Any, ...]) -> bool:
    """Whether neighbours in a list of values are alike: numbers, not names or yes and no."""
    return not isinstance(values[0], bool | str)


def _values(spec: OptionSpec, current: Any) -> tuple[Any, ...]:
    if spec.search is not None:
        spread = np.geomspace if spec.search[0] > 0 else np.linspace
        tried = spread(*spec.search, STEPS - 1)
    elif spec.advanced:
        return ()
    elif spec.min is None or spec.max is None:
        return (False, True) if spec.type is bool else spec.choices
    else:
        tried = _around(float(current), float(spec.min), float(spec.max))
    return tuple(sorted({current, *(_fitting(spec, value) for value in tried.tolist())}))


def _around(current: float, low: float, high: float) -> Array:
    """Spread values around the current one: by equal odds for a share, by equal ratios for anything else."""
    if (low, high) == (0.0, 1.0):
        share = min(max(current, 1 - HIGHEST_SHARE), HIGHEST_SHARE)
        odds = share / (1 - share) * np.geomspace(1 / FARTHEST_ODDS, FARTHEST_ODDS, STEPS)
        return odds / (1 + odds)
    return (current or high) * np.geomspace(1 / FARTHEST_RATIO, FARTHEST_RATIO, STEPS)


def _fitting(spec: OptionSpec, value: float) -> Any:
    """Round to the steps of an option's slider, within its limits."""
    low, high = float(spec.min or 0.0), float(spec.max if spec.max is not None else np.inf)
    if spec.step:
        value = low + round((value - low) / spec.step) * spec.step
    return spec.type(round(min(high, max(low, value)), 6))
