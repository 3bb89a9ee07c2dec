"""One declaration per option: default, range, label and help, from which form, CLI and JSON follow."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, get_type_hints

from napari_cellseg_ssl.core import messages

Json = bool | int | float | str | None | list["Json"] | dict[str, "Json"]
PathKind = Literal["", "file", "file or folder"]
OptionsT = TypeVar("OptionsT")

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True, kw_only=True)
class OptionSpec:
    """What a form, a command line and a page of documentation need to know about one option."""

    name: str
    type: type
    default: Any
    label: str
    help: str
    min: float | None = None
    max: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    advanced: bool = False
    search: tuple[float, float] | None = None
    """Range in which a search for the best value makes sense, evenly spread from 0, else by equal ratios; None = around
    the current value."""
    path: PathKind = ""
    """What a text is the path of; "" = it is no path."""
    words: tuple[str, ...] = ()
    """What may stand instead of a path."""


def option(
    default: Any,
    *,
    label: str,
    help: str,
    min: float | None = None,
    max: float | None = None,
    step: float | None = None,
    choices: Sequence[str] = (),
    unit: str = "",
    advanced: bool = False,
    search: tuple[float, float] | None = None,
    path: PathKind = "",
    words: Sequence[str] = (),
) -> Any:
    """Declare a field of a frozen options dataclass; the field's annotation is bool, int, float or str."""
    spec = {"label": label, "help": help, "min": min, "max": max, "step": step, "unit": unit, "advanced": advanced}
    more = {"choices": tuple(choices), "search": search, "path": path, "words": tuple(words)}
    return field(default=default, metadata={"option": {**spec, **more}})


def option_specs(options_class: type) -> tuple[OptionSpec, ...]:
    """List the options of a class in the order of their declaration."""
    types = get_type_hints(options_class)
    return tuple(
        OptionSpec(name=f.name, type=types[f.name], default=f.default, **f.metadata["option"])
        for f in dataclasses.fields(options_class)
        if f.default is not MISSING and "option" in f.metadata
    )


def options_to_json(options: Any) -> dict[str, Json]:
    """Turn an options record into a plain dict; `options_from_json` gives it back."""
    return {spec.name: getattr(options, spec.name) for spec in option_specs(type(options))}


def options_from_json(options_class: type[OptionsT], values: Mapping[str, Any]) -> OptionsT:
    """Build an options record; absent options keep their defaults.

    Raises
    ------
    WrongOption
        If a key is unknown or a value is of the wrong type or out of range.
    """
    specs = {spec.name: spec for spec in option_specs(options_class)}
    unknown = sorted(set(values) - set(specs))
    if unknown:
        raise messages.unknown_option(unknown[0], _nearest(unknown[0], sorted(specs)))
    return options_class(**{name: _checked(specs[name], value) for name, value in values.items()})


def _nearest(name: str, known: Sequence[str]) -> str:
    """Suggest what was probably meant by a name, or say which names there are."""
    close = get_close_matches(name, known, n=3)
    return f"Did you mean: {', '.join(close)}?" if close else f"Known options: {', '.join(known) or 'none'}."


def with_values(options: OptionsT, values: Mapping[str, Any]) -> OptionsT:
    """Return a copy of `options` with some values replaced; text is parsed, so the command line can pass it on.

    Raises
    ------
    WrongOption
        As `options_from_json`.
    """
    return options_from_json(type(options), {**options_to_json(options), **values})


def _checked(spec: OptionSpec, value: Any) -> Any:
    """Return `value` as the option's type, or say what would be right."""
    parsed = _parsed(spec, value)
    if spec.choices and parsed not in spec.choices:
        raise messages.not_a_choice(spec.name, parsed, ", ".join(spec.choices))
    too_low = spec.min is not None and parsed < spec.min
    too_high = spec.max is not None and parsed > spec.max
    if too_low or too_high:
        raise messages.option_out_of_range(spec.name, parsed, spec.min, spec.max)
    return parsed


def _parsed(spec: OptionSpec, value: Any) -> Any:
    wrong = messages.wrong_option_type(spec.name, value, spec.type.__name__)
    if spec.type is bool:
        if isinstance(value, str) and value.lower() in _WORDS:
            return _WORDS[value.lower()]
        if not isinstance(value, bool):
            raise wrong
        return value
    if isinstance(value, bool) or (spec.type is str and not isinstance(value, str)):
        raise wrong
    try:
        parsed = spec.type(value)
    except (TypeError, ValueError):
        raise wrong from None
    lost_fraction = spec.type is int and isinstance(value, float) and value != parsed
    if lost_fraction or parsed != parsed:
        raise wrong
    return parsed
