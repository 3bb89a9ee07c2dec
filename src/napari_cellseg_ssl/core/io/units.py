"""Units of length as image files write them, in µm; what is no length is unknown, not 1.

A table of our own: pint, which napari brings, takes a second to begin, reads "px" as 265 µm and "li" as a surveyor's
link, and knows neither "Micron" nor what ImageJ escapes. The table holds what OME and OME-Zarr allow, but for the units
of astronomers, and what ImageJ and the programs around it write.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_METRE, _INCH = 1e6, 25_400.0
_PREFIXES = {
    "Y": ("yotta", 1e24), "Z": ("zetta", 1e21), "E": ("exa", 1e18), "P": ("peta", 1e15), "T": ("tera", 1e12),
    "G": ("giga", 1e9), "M": ("mega", 1e6), "k": ("kilo", 1e3), "h": ("hecto", 1e2), "da": ("deca", 1e1),
    "": ("", 1.0), "d": ("deci", 1e-1), "c": ("centi", 1e-2), "m": ("milli", 1e-3), "u": ("micro", 1e-6),
    "n": ("nano", 1e-9), "p": ("pico", 1e-12), "f": ("femto", 1e-15), "a": ("atto", 1e-18), "z": ("zepto", 1e-21),
    "y": ("yocto", 1e-24),
}  # fmt: skip
_OTHERS = {
    ("micron", "microns"): 1.0,
    ("å", "angstrom", "angstroms", "ångström", "ångstrom"): 1e-4,
    ("in", "inch", "inches", '"'): _INCH,
    ("thou", "mil", "mils"): _INCH / 1000,
    ("pt", "point", "points"): _INCH / 72,
    ("li", "line", "lines"): _INCH / 12,
    ("ft", "foot", "feet"): 12 * _INCH,
    ("yd", "yard", "yards"): 36 * _INCH,
    ("mi", "mile", "miles"): 63_360 * _INCH,
}
_NOT_CALIBRATED = ("", "pixel", "pixels", "px", "voxel", "voxels", "reference frame")
"""Words by which a program says that it does not know."""
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


def _table() -> tuple[dict[str, float], dict[str, float]]:
    """Return what symbols mean, in which case matters (mm, Mm), and what words mean."""
    symbols = {f"{prefix}m": _METRE * factor for prefix, (_, factor) in _PREFIXES.items()}
    words = {word: size for names, size in _OTHERS.items() for word in names}
    for name, factor in _PREFIXES.values():
        words |= dict.fromkeys((f"{name}meter", f"{name}meters", f"{name}metre", f"{name}metres"), _METRE * factor)
    return symbols, words


_SYMBOLS, _WORDS = _table()
_SMALL_SYMBOLS = {symbol: size for symbol, size in _SYMBOLS.items() if size <= _METRE}


def micrometres_in(unit: str | None) -> float | None:
    """Micrometres in a unit of length; None if it is none, or not known.

    Parameters
    ----------
    unit : str
        As a file has it: a symbol or a word, "µ" as the micro sign, the Greek letter, u, or escaped as ImageJ does.

    Examples
    --------
    >>> micrometres_in("nm"), micrometres_in("pixel")
    (0.001, None)
    """
    text = _plain(unit)
    if text in _SYMBOLS:
        return _SYMBOLS[text]
    # Nobody's pixels are megametres wide: in another case, symbols are those of small units.
    return _WORDS.get(text.casefold(), _SMALL_SYMBOLS.get(text.casefold()))


def _plain(unit: str | None) -> str:
    """Write a unit in one way: micro as u, the sign of ångström as its letter."""
    text = _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), unit or "")
    # NFKC makes both micro signs one letter; one that was stored as UTF-8 and read as Latin-1 has an Â before it.
    return unicodedata.normalize("NFKC", text).replace("Âμ", "u").replace("μ", "u").strip(" \0\t\r\n")


@dataclass(frozen=True)
class PixelSize:
    """How large a pixel is along the axes for which that is known.

    Parameters
    ----------
    sizes : {axis: float}
        All positive. In µm; in a unit that nobody knows, the same for all axes, if `in_um` is false.
    in_um : bool
    doubts : tuple of str
        What the file says that cannot be used, in sentences that begin with it.
    """

    sizes: Mapping[str, float] = field(default_factory=dict)
    in_um: bool = False
    doubts: tuple[str, ...] = ()


def pixel_size(stated: Mapping[str, tuple[Any, str | None]]) -> PixelSize:
    """Understand what a file states: a size and its unit for each spatial axis.

    Sizes that cannot be, such as 0, are unknown; so are all of them where a unit is not known, but for their ratio if
    it is the same unit.
    """
    sizes, doubts = {}, []
    for axis, (size, _) in stated.items():
        number = _positive(size)
        if number is None:
            doubts.append(f"says that a pixel is {size} long along {axis}, which cannot be: that size is unknown")
        else:
            sizes[axis] = number
    units = {axis: stated[axis][1] for axis in sizes}
    factors = {axis: micrometres_in(unit) for axis, unit in units.items()}
    known = {axis: size * factor for axis, size in sizes.items() if (factor := factors[axis]) is not None}
    doubts += _doubted_units({axis: unit for axis, unit in units.items() if axis not in known}, sizes)
    if known:
        return PixelSize(known, True, tuple(doubts))
    is_one_unit = len({_plain(unit) for unit in units.values()}) == 1
    return PixelSize(sizes if is_one_unit else {}, False, tuple(doubts))


def _positive(size: Any) -> float | None:
    try:
        number = float(size)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _doubted_units(units: Mapping[str, str | None], sizes: Mapping[str, float]) -> list[str]:
    """Say which units are not known; a file without any that says 1 has said nothing."""
    found = []
    for text in sorted({_plain(unit) for unit in units.values()}):
        axes = [axis for axis, unit in units.items() if _plain(unit) == text]
        if text and text.casefold() not in _NOT_CALIBRATED:
            found.append(f"gives the size of a pixel in '{text}', which is no unit of length: it is unknown in µm")
        elif not text and any(sizes[axis] != 1 for axis in axes):
            found.append("gives the size of a pixel without a unit: it is unknown in µm")
    return found
