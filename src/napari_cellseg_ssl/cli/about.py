"""The commands that tell about the package itself: its versions, its methods, their options."""

import argparse
from typing import Any

from napari_cellseg_ssl.api import models
from napari_cellseg_ssl.cli.console import Console
from napari_cellseg_ssl.core.io.records import last_lines
from napari_cellseg_ssl.core.methods.base import MethodInfo, get_method
from napari_cellseg_ssl.core.options import OptionSpec, option_specs
from napari_cellseg_ssl.tasks import Control, support
from napari_cellseg_ssl.tasks.session.folder import sessions_folder


def info(arguments: argparse.Namespace, console: Console, control: Control) -> None:
    """Print what belongs into a bug report."""
    facts = {**support.versions(), "device": support.device()}
    log = support.newest_log(sessions_folder())
    lines = [] if log is None else last_lines(log, support.SHOWN_LINES)
    console.say(support.report(facts, lines).rstrip())
    console.result({"versions": facts, "log": "" if log is None else str(log), "last_lines": lines})


def methods(arguments: argparse.Namespace, console: Console, control: Control) -> None:
    """List the methods, or all options of one with range, default and help."""
    if arguments.method is not None:
        _describe(get_method(arguments.method).info, console)
        return
    records = []
    for info in models.methods():
        _say_method(info, console)
        records.append(_record(info))
    console.result({"methods": records})


def _describe(info: MethodInfo, console: Console) -> None:
    _say_method(info, console)
    record = _record(info)
    for key, title, options_class in (
        ("train_options", "Training", info.train_options),
        ("segment_options", "Segmentation", info.segment_options),
    ):
        specs = option_specs(options_class)
        console.say(f"\n{title} options (--set NAME=VALUE):" if specs else f"\n{title} options: none")
        ordered = sorted(specs, key=lambda spec: spec.advanced)
        for n, spec in enumerate(ordered):
            if spec.advanced and not ordered[n - 1].advanced:
                console.say("  Well set by the presets, hardly ever changed:")
            console.say(f"  {spec.name} = {shown_default(spec)}   {allowed(spec)}\n      {spec.help}")
        record[key] = [_option(spec) for spec in specs]
    console.result(record)


def _say_method(info: MethodInfo, console: Console) -> None:
    console.say(f"{info.id:<10} {info.title}. {info.summary}")
    console.say(f"{'':<10} labels: {info.labels}; presets: {', '.join(info.presets)}; {info.citation}")


def _record(info: MethodInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "title": info.title,
        "summary": info.summary,
        "citation": info.citation,
        "labels": info.labels,
        "spatial_ndims": list(info.spatial_ndims),
        "presets": list(info.presets),
        "train_options": [spec.name for spec in option_specs(info.train_options)],
        "segment_options": [spec.name for spec in option_specs(info.segment_options)],
    }


def _option(spec: OptionSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "type": spec.type.__name__,
        "default": spec.default,
        "min": spec.min,
        "max": spec.max,
        "choices": list(spec.choices),
        "unit": spec.unit,
        "advanced": spec.advanced,
        "help": spec.help,
    }


def shown_default(spec: OptionSpec) -> str:
    """Write a default as it would be written after --set."""
    value = spec.default
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def allowed(spec: OptionSpec) -> str:
    """Write which values an option takes."""
    if spec.choices:
        return "one of " + ", ".join(choice or '""' for choice in spec.choices)
    unit = f" {spec.unit}" if spec.unit else ""
    if spec.type is bool:
        return "true or false"
    if spec.min is None and spec.max is None:
        return f"{spec.type.__name__}{unit}"
    low, high = (("" if end is None else f"{end:g}") for end in (spec.min, spec.max))
    if low and high:
        return f"{low} to {high}{unit}"
    return f"{low} or more{unit}" if low else f"{high} or less{unit}"
