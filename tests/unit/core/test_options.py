"""One declaration gives defaults, checks and JSON."""

import json
from dataclasses import dataclass

import pytest

from napari_cellseg_ssl.core.errors import WrongOption
from napari_cellseg_ssl.core.options import option, option_specs, options_from_json, options_to_json, with_values


@dataclass(frozen=True, kw_only=True)
class Options:
    steps: int = option(100, label="Steps", help="Optimiser steps", min=1, max=1000)
    rate: float = option(0.5, label="Rate", help="Learning rate", min=0.0, max=1.0)
    mode: str = option("auto", label="Mode", help="How", choices=("auto", "none"))
    split: bool = option(True, label="Split", help="Whether")


def test_options_survive_json():
    options = Options(steps=7, rate=0.25, mode="none", split=False)

    assert options_from_json(Options, json.loads(json.dumps(options_to_json(options)))) == options


def test_the_declaration_carries_everything_a_form_needs():
    spec = option_specs(Options)[0]

    assert (spec.name, spec.type, spec.default, spec.min, spec.max) == ("steps", int, 100, 1, 1000)
    assert spec.label == "Steps"


def test_text_from_the_command_line_is_understood():
    assert with_values(Options(), {"steps": "12", "rate": "0.1", "split": "no"}) == Options(
        steps=12, rate=0.1, split=False
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stepz": 1}, "Unknown option 'stepz'"),
        ({"steps": 0}, "'steps' is 0"),
        ({"steps": "many"}, "cannot be 'many'"),
        ({"steps": 1.5}, r"cannot be '1\.5'"),
        ({"steps": True}, "cannot be 'True'"),
        ({"rate": "nan"}, "cannot be 'nan'"),
        ({"mode": "best"}, "Choose one of: auto, none"),
        ({"mode": 3}, "cannot be '3'"),
        ({"split": "maybe"}, "cannot be 'maybe'"),
        ({"split": 1}, "cannot be '1'"),
    ],
)
def test_a_wrong_value_is_named(values, message):
    with pytest.raises(WrongOption, match=message):
        with_values(Options(), values)
