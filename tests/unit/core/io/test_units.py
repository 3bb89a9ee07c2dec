"""How large a pixel is: what files say in many spellings, and what of it can be believed."""

import math

import pytest

from napari_cellseg_ssl.core.io.units import micrometres_in, pixel_size

MICRO, GREEK = "\u00b5", "\u03bc"
SPELLINGS = {
    1.0: ["um", f"{MICRO}m", f"{GREEK}m", "\\u00B5m", "\\u00b5m", "\\u03BCm", "\u00c2\u00b5m", "micron", "Microns"],
    1e-3: ["nm", "nanometer", "Nanometres"],
    1e-4: ["\u00c5", "\u212b", "A\u030a", "angstrom", "\\u00C5"],
    1e-6: ["pm", "picometer"],
    1e3: ["mm", "MM", "millimeter"],
    1e4: ["cm", "centimetre"],
    1e6: ["m", "meter"],
    25_400.0: ["in", "inch", "Inches", '"'],
    25.4: ["thou"],
}


@pytest.mark.parametrize(("size", "unit"), [(size, unit) for size, units in SPELLINGS.items() for unit in units])
def test_a_unit_of_length_is_known_in_every_spelling(size, unit):
    assert micrometres_in(unit) == pytest.approx(size)
    assert micrometres_in(f" {unit}\0") == pytest.approx(size)


@pytest.mark.parametrize("unit", [f"{MICRO}m", "micrometer", "micrometers", "micrometre", "Micrometer"])
def test_a_micrometre_is_exactly_one(unit):
    assert micrometres_in(unit) == 1.0


@pytest.mark.parametrize("unit", [None, "", "pixel", "px", "reference frame", "sec", "1/nm", "A", "u", "furlong"])
def test_what_is_no_length_is_unknown_and_not_one(unit):
    assert micrometres_in(unit) is None


def test_sizes_come_in_micrometres_also_from_different_units():
    found = pixel_size({"Z": (2, "um"), "Y": ("500", "nm"), "X": (0.5, "micron")})

    assert found.in_um
    assert dict(found.sizes) == pytest.approx({"Z": 2, "Y": 0.5, "X": 0.5})
    assert found.doubts == ()


@pytest.mark.parametrize("size", [0, -0.5, math.nan, math.inf, "wide", None])
def test_a_size_that_cannot_be_is_unknown_and_said(size):
    found = pixel_size({"Z": (size, "um"), "Y": (0.5, "um"), "X": (0.5, "um")})

    assert dict(found.sizes) == {"Y": 0.5, "X": 0.5}
    assert str(size) in found.doubts[0]
    assert "along Z" in found.doubts[0]


def test_a_unit_that_is_not_known_is_named_and_leaves_the_ratio():
    found = pixel_size({"Y": (2, "furlong"), "X": (4, "furlong")})

    assert not found.in_um
    assert dict(found.sizes) == {"Y": 2, "X": 4}
    assert "furlong" in found.doubts[0]


def test_sizes_in_different_unknown_units_tell_nothing():
    assert pixel_size({"Y": (2, "furlong"), "X": (4, "pixel")}).sizes == {}


def test_a_size_without_a_unit_is_said_unless_it_is_one():
    assert "without a unit" in pixel_size({"Y": (2, ""), "X": (2, "")}).doubts[0]
    assert pixel_size({"Y": (1, ""), "X": (1, "")}).doubts == ()
    assert pixel_size({"Y": (3, "pixel"), "X": (3, "pixel")}).doubts == ()
