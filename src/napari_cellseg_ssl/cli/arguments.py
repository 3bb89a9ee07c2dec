"""What can be said on the command line."""

import argparse
from pathlib import Path
from typing import NoReturn

from napari_cellseg_ssl._version import __version__
from napari_cellseg_ssl.cli import about, commands, pretraining, scoring, segmenting, starting, synthesis
from napari_cellseg_ssl.cli.demo import run_demo
from napari_cellseg_ssl.core.devices import DEVICE_NAMES
from napari_cellseg_ssl.core.methods.registry import METHODS
from napari_cellseg_ssl.tasks.pretraining_comparison import DEFAULT_ARMS, TITLES
from napari_cellseg_ssl.tasks.requests import TRIALS


class _Parser(argparse.ArgumentParser):
    """Complain in one line, like everything else here."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help.\n")


def build_parser() -> argparse.ArgumentParser:
    """Build the parser; it imports neither torch nor a method."""
    parser = _Parser(prog="cellseg-ssl", description="Segment cells with few labels or none.")
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    adders = _add_info, _add_methods, _add_starters, _add_train, _add_segment, _add_tune, _add_score
    for add in (*adders, _add_pretraining, _add_synthesise, _add_demo):
        command = add(subparsers)
        command.add_argument("--json", action="store_true", help="print one JSON object")
        command.add_argument("--traceback", action="store_true", help="show where an unexpected error came from")
    return parser


def diameter(text: str) -> float | str:
    """Parse an object diameter."""
    return text if text == "auto" else float(text)


def channel_list(text: str) -> list[int]:
    """Parse channels such as 0,2."""
    return [int(part) for part in text.split(",")]


def size_list(text: str) -> list[float]:
    """Parse sizes such as 1.75,0.8,0.8."""
    return [float(part) for part in text.split(",")]


def _add_info(subparsers: "argparse._SubParsersAction[_Parser]") -> argparse.ArgumentParser:
    command = subparsers.add_parser("info", help="versions, device and the last lines of the log, for a bug report")
    command.set_defaults(run=about.info)
    return command


def _add_methods(subparsers: "argparse._SubParsersAction[_Parser]") -> argparse.ArgumentParser:
    command = subparsers.add_parser("methods", help="list the methods, or all options of one")
    command.add_argument("method", nargs="?", metavar="METHOD", help=", ".join(METHODS))
    command.set_defaults(run=about.methods)
    return command


def _add_starters(subparsers: "argparse._SubParsersAction[_Parser]") -> argparse.ArgumentParser:
    command = subparsers.add_parser("starters", help="list the trained models that come with the package")
    command.set_defaults(run=starting.list_starters)
    return command


def _add_train(subparsers: "argparse._SubParsersAction[_Parser]") -> argparse.ArgumentParser:
    command = subparsers.add_parser("train", help="train a method on images, with labels or without")
    command.add_argument("method", metavar="METHOD", help=", ".join(METHODS))
    _add_images(command)
    _add_labels(command, required=False)
    command.add_argument(
        "--pseudo-labels", nargs="+", metavar="PATH", help="what a method found: learned from where nothing is painted"
    )
    command.add_argument(
        "--agreeing-with",
        nargs="+",
        metavar="PATH",
        help="another result: only what both found is learned from",
    )
    command.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder to write")
    command.add_argument("--preset", default="", help="fast, balanced or paper")
    _add_diameter(command, "auto")
    command.add_argument("--time-budget", type=float, metavar="SECONDS", help="train this long")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--start-from",
        metavar="RUN",
        help="run folder, starter:NAME, none, or auto: a starter if it fits (the default)",
    )
    command.add_argument("--resume", action="store_true", help="continue the interrupted training in --out")
    _add_overwrite(command)
    _add_set(command)
    command.set_defaults(run=commands.train)
    return command


def _add_segment(subparsers: "argparse._SubParsersAction[_Parser]") -> argparse.ArgumentParser:
    command = subparsers.add_parser("segment", help="find the cells in images with a trained model")
    command.add_argument("model", metavar="RUN", help="run folder or starter:NAME")
    _add_images(command)
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    command.add_argument("--maps", action="store_true", help="write the network's maps too")
    command.add_argument("--format", choices=("tiff", "ome-zarr"), default="tiff", help="of labels and maps")
    command.add_argument("--roi", action="store_true", help="write ImageJ ROIs too")
    command.add_argument("--coco", action="store_true", help="write masks as COCO JSON too")
    command.add_argument("--measure", action="store_true", help="write a table of measurements too")
    _add_overwrite(command)
    _add_diameter(command, None)
    _add_set(command)
    command.set_defaults(run=segmenting.segment)
    return command


def _add_tune(subparsers: "argparse._SubParsersAction[_Parser]") -> argparse.ArgumentParser:
    command = subparsers.add_parser("tune", help="search the segmentation options that fit painted cells best")
    command.add_argument("model", metavar="RUN", help="run folder; the best options are stored in it")
    _add_images(command)
    _add_labels(command, required=True)
    command.add_argument("--trials", type=int, default=TRIALS, help="how many options to try")
    command.add_argument("--seed", type=int, default=0)
    _add_diameter(command, None)
    command.set_defaults(run=commands.tune)
    return command


def _add_score(subparsers: "argparse._SubParsersAction[_Parser]") -> argparse.ArgumentParser:
    command = subparsers.add_parser("score", help="compare label images with the truth")
    command.add_argument("--pred", type=Path, required=True, metavar="DIR")
    command.add_argument("--truth", type=Path, required=True, metavar="DIR")
    command.add_argument("--csv", type=Path, metavar="FILE", help="write one row per image")
    _add_overwrite(command)
    command.add_argument("--axes", help="of all labels, such as ZYX, where the files do not say it; else TYX")
    command.set_defaults(run=scoring.score)
    return command


def _add_pretraining(subparsers: "argparse._SubParsersAction[_Parser]") -> argparse.ArgumentParser:
    command = subparsers.add_parser("compare-pretraining", help="what the pre-trainings of CUPre are worth on labels")
    _add_images(command)
    _add_labels(command, required=True)
    command.add_argument("--source", default="", metavar="PATH", help="annotated images of anything, or shapes")
    command.add_argument("--pretrain-seconds", type=float, metavar="SECONDS", help="pre-train each arm this long")
    command.add_argument("--fine-tune-seconds", type=float, metavar="SECONDS", help="fine-tune each arm this long")
    command.add_argument("--arms", nargs="+", choices=tuple(TITLES), default=list(DEFAULT_ARMS), metavar="ARM",
                         help=f"of {', '.join(TITLES)}; {', '.join(DEFAULT_ARMS)} when absent")  # fmt: skip
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets a run folder for each arm")
    _add_overwrite(command)
    command.add_argument("--preset", default="", help="fast, balanced or paper")
    command.add_argument("--seed", type=int, default=0)
    _add_diameter(command, "auto")
    _add_set(command)
    command.set_defaults(run=pretraining.compare_pretraining)
    return command


def _add_synthesise(subparsers: "argparse._SubParsersAction[_Parser]") -> argparse.ArgumentParser:
    command = subparsers.add_parser("synthesise", help="draw images with known objects, to train other methods on")
    command.add_argument("model", metavar="RUN", help="run folder of adgan")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets the folders images and labels")
    _add_overwrite(command)
    command.add_argument("--count", type=int, default=50, help="how many pairs")
    command.add_argument("--shape", type=int, nargs="+", default=[256, 256], metavar="PX", help="Y X or Z Y X")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--device", default="auto", help=", ".join(DEVICE_NAMES))
    command.set_defaults(run=synthesis.synthesise)
    return command


def _add_demo(subparsers: "argparse._SubParsersAction[_Parser]") -> argparse.ArgumentParser:
    command = subparsers.add_parser("demo", help="the main job on packaged images, in a few minutes")
    command.add_argument("--out", type=Path, default=Path("cellseg-ssl-demo"), metavar="DIR")
    _add_overwrite(command)
    command.add_argument("--quick", action="store_true", help="train for seconds only, to see that everything runs")
    command.set_defaults(run=run_demo)
    return command


def _add_images(command: argparse.ArgumentParser) -> None:
    command.add_argument("--images", nargs="+", required=True, metavar="PATH", help="files or folders: TIFF, PNG, Zarr")
    command.add_argument("--axes", help="what the axes of the images are, for example TCYX")
    command.add_argument("--z", choices=("volume", "frames"), help="what slices are; a volume if that is possible")
    command.add_argument("--spacing", type=size_list, metavar="LIST", help="size of a px along Z,Y,X in µm")
    command.add_argument("--channels", type=channel_list, metavar="LIST", help="channels to use, for example 0,2")
    command.add_argument("--device", default="auto", help=", ".join(DEVICE_NAMES))


def _add_labels(command: argparse.ArgumentParser, *, required: bool) -> None:
    command.add_argument("--labels", nargs="+", required=required, metavar="PATH", help="named like their images")
    command.add_argument(
        "--labels-mode",
        choices=("sparse", "dense"),
        help="sparse: 0 unknown, 1 background, cells from 2; dense: 0 background; guessed when absent",
    )


def _add_diameter(command: argparse.ArgumentParser, default: str | None) -> None:
    command.add_argument(
        "--object-diameter", type=diameter, default=default, metavar="PX|auto", help="in volumes px of the plane"
    )


def _add_overwrite(command: argparse.ArgumentParser) -> None:
    command.add_argument("--overwrite", action="store_true", help="replace also what other programs or methods wrote")


def _add_set(command: argparse.ArgumentParser) -> None:
    command.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", help="an option of the method")
