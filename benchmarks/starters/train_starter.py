"""Train a starter model, the small network of ACTIS or one of MAUNet, on complete labels of sets that may be shipped.

    python -m benchmarks.starters.train_starter DATA NAME OUT [--sets NAME ...] [--leave-out NAME ...] [--seconds S]
                                                [--seed N]
                                       [--method NAME] [--width N] [--half] [--score NAME ...] [--most N]
                                       [--score-only] [--not-offered] [--cpu-clock]

Writes the folder of a starter, which is a run: `run.json`, `weights.safetensors` (convolutions as float16),
`starter.json` (what the registry reads) and `card.md`. Copied to `src/napari_cellseg_ssl/starters/NAME` it is shipped.
Only sets that are in the public domain are learned from, the plugin's sample images left out; `--leave-out` takes some
of these sets away, and `--half` every second image, for a model that is to be judged on them. Colours become grey.
Diameters are estimated, as a user's are. A fifth of the images is held out. `--score` names the sets that the card has
scores of, one that was learned from among them, all when absent, `--most` how many images of each; `--score-only`
writes the card of a model that is in OUT already. `--not-offered` leaves it out of the first results in the dock. One
thread.
"""

import argparse
import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import tifffile

from benchmarks._lib.painting import Painted
from benchmarks.accuracy.actis import diameters, read_set, test
from benchmarks.starters.zero_shot import greyed, measure, set_names
from napari_cellseg_ssl import samples
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.methods.base import Run, get_method
from napari_cellseg_ssl.core.methods.events import Note, TrainFinished, Validated, last_of
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_files import HISTORY_FILE, WEIGHTS_FILE
from napari_cellseg_ssl.core.model.starters import CARD_FILE, STARTER_FILE, load_folder
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.core.training.warm_start import MEAN
from napari_cellseg_ssl.tasks.starter_selection import SURE

COMPARED = 5
PUBLIC_DOMAIN = ("dsb2018_fluo", "bbbc039", "dsb2018_other")
"""Sets whose images and labels are CC0; nothing else may be learned from."""
METHODS: Mapping[str, Mapping[str, object]] = {
    "actis": {"width": 24, "refine_share": 0.0, "steps_per_cell": 0.0},
    "maunet": {"width": 12, "depth": 2},
}
"""Methods that have starters, and what they train with that their preset "fast" has not."""
WHERE_NOTHING_IS_PAINTED: Mapping[str, Mapping[str, object]] = {"actis": {"widest_neck": 0.0}}
"""Options of the segmentation that follow from painted cells, as they are without any: a starter is to be used so."""
NETWORKS = {
    "actis": "its small network with {width} feature maps",
    "maunet": "encoder {encoder} of {depth} stages, {width} feature maps at full resolution",
}
TITLES = {
    "nuclei": "Fluorescence nuclei",
    "nuclei-maunet": "Fluorescence nuclei, MAUNet",
    "multi": "Nuclei, bright or dark",
}
USES = {
    "nuclei": "Bright nuclei on a dark ground, grey.",
    "nuclei-maunet": "Bright nuclei on a dark ground, grey; what MAUNet starts from.",
    "multi": "Nuclei in fluorescence, and in stained tissue and brightfield like those of its set, grey.",
}
SOURCES = {
    "dsb2018_fluo": "nuclei in fluorescence, 2018 Data Science Bowl (BBBC038), stage 1, corrected labels; CC0 1.0",
    "dsb2018_other": "stained tissue and brightfield, same source; CC0 1.0",
    "bbbc039": "U2OS nuclei, Hoechst stain, 520 x 696 px, Broad Bioimage Benchmark Collection (BBBC039); CC0 1.0",
}
CARD = """# starter:{name}

{title}. {use}

## Data

{data}

Images of public sets and their labels, nothing else; the sample images of the plugin are not among them. SHA-256 over
the pixels of images and labels, set by set:

{hashes}

## Licence

The images and labels are in the public domain (CC0 1.0); these weights are too.

## How it was trained

Method `{method}`, {network}
({parameters} weights; stored as float16), which sees the mean of all channels, on complete labels; images rescaled so
that objects are {diameter:g} px wide by the estimate of their size. Seed {seed}, {steps} steps in {seconds:.0f} s on
one {device} thread. A fifth of the images was held out: F1 {held_out:.3f} on cells of these.

```
{command}
```

## Scores

F1 of cells at IoU > 0.5, mean over images, sizes estimated, colours as grey, nothing trained or tuned on the set; of
sets with a star four fifths of these very images were learned from.

| set | images | this model | classical |
|---|--:|--:|--:|
{rows}

## What it must not be used for

Anything that concerns the treatment of people or animals. Counts and sizes that nobody checked on some images of one's
own. Images of another kind than those above:
{unlike}.
It was trained on 2D images only.
"""
UNLIKE = {
    "nuclei": "phase contrast, brightfield, stained tissue, membranes, whole cells; it may find nonsense there",
    "multi": "tissue at another magnification or stained otherwise, where the classical method may be better; phase\n"
    "contrast, membranes, whole cells, where it may find nonsense",
}


def learned(data: Path, name: str, half: bool) -> list[Painted]:
    """Read a set without the images that the plugin has as samples: a first result on these is to be an honest one."""
    step = 2 if half else 1
    files = (*samples.IMAGES.glob("*.tif"), *(samples.FOLDER / "colour" / "images").glob("*.tif"))
    pixels = (tifffile.imread(file) for file in files)
    packaged = {(one[None] if one.ndim == 2 else np.moveaxis(one, -1, 0)).tobytes() for one in pixels}
    return [image for image in read_set(data, name)[::step] if image.pixels.tobytes() not in packaged]


def items(images: list[Painted]) -> Iterator[TrainingItem]:
    for image, diameter in zip(images, diameters(images, of_truth=False), strict=True):
        stack = ImageStack.from_array(image.pixels, "CYX", name=image.name)
        yield TrainingItem(image=stack, annotation=Annotation.from_dense(image.truth[None]), diameter=diameter)


def sha256_of(images: list[Painted]) -> str:
    digest = hashlib.sha256()
    for image in images:
        digest.update(f"{image.name}{image.pixels.shape}{image.pixels.dtype}".encode())
        digest.update(image.pixels.tobytes() + image.truth.tobytes())
    return digest.hexdigest()


class Clock:
    """Seconds since it was first asked: what is read before the first step does not count."""

    def __init__(self, of_process: bool) -> None:
        self._now: Callable[[], float] = time.process_time if of_process else time.perf_counter
        self._start: float | None = None

    def __call__(self) -> float:
        """Return the seconds."""
        self._start = self._now() if self._start is None else self._start
        return self._now() - self._start


def train(sets: dict[str, list[Painted]], arguments: argparse.Namespace) -> ModelBundle:
    data = TrainingSet(tuple(item for images in sets.values() for item in items([greyed(one) for one in images])))
    method, changes = get_method(arguments.method), dict(METHODS[arguments.method])
    if arguments.width:
        changes["width"] = arguments.width
    options = with_values(method.info.preset("fast"), changes)
    run = Run(seed=arguments.seed, time_budget=arguments.seconds, elapsed=Clock(arguments.cpu_clock))
    finished = last_of(_shown(method.train(data, options, run)), TrainFinished)
    bundle = finished.bundle
    provenance = dataclasses.replace(
        bundle.provenance,
        preset="fast",
        notes=(*bundle.provenance.notes, command(list(sets), arguments)),
        images={name: sha256_of(images) for name, images in sets.items()},
        versions={"python": platform.python_version(), "torch": importlib.metadata.version("torch")},
    )
    changed = {
        "name": f"starter:{arguments.name}",
        "architecture": {**bundle.architecture, "reads": MEAN},
        "segment_options": with_values(bundle.segment_options, WHERE_NOTHING_IS_PAINTED.get(arguments.method, {})),
    }
    return dataclasses.replace(bundle, provenance=provenance, **changed)


def command(sets: list[str], arguments: argparse.Namespace) -> str:
    words = ["python -m benchmarks.starters.train_starter DATA", arguments.name, "OUT --sets", *sets]
    words += [f"--method {arguments.method} --seconds {arguments.seconds:g} --seed {arguments.seed}"]
    words += [f"--width {arguments.width}"] if arguments.width else []
    return " ".join(words + ["--half"] * arguments.half + ["--cpu-clock"] * arguments.cpu_clock)


def _shown(events: Iterator[object]) -> Iterator[object]:
    for event in events:
        match event:
            case Note(text=text):
                print(text, flush=True)
            case Validated(step=step, scores=scores):
                print(step, {name: round(value, 3) for name, value in scores.items()}, flush=True)
            case TrainFinished():
                yield event


def save(bundle: ModelBundle, folder: Path) -> None:
    """Write the run with convolutions as float16, which is half the size."""
    halves = {name: a.astype(np.float16) if a.ndim > 1 else a for name, a in bundle.weights.items()}
    dataclasses.replace(bundle, weights=halves).save(folder)
    (folder / HISTORY_FILE).unlink()


def describe(
    bundle: ModelBundle, sizes: dict[str, int], rows: list[dict[str, object]], arguments: argparse.Namespace
) -> None:
    name, out = arguments.name, arguments.out
    usual = min(float(str(row["sure"])) for row in rows if row["learned"])
    origin = dataclasses.replace(bundle.provenance, scores={**bundle.provenance.scores, SURE: usual})
    save(dataclasses.replace(bundle, provenance=origin), out)
    weights = (out / WEIGHTS_FILE).read_bytes()
    record = {
        "name": name,
        "title": TITLES.get(name, name),
        "method_id": bundle.method_id,
        "use": USES.get(name, f"Images like those of {', '.join(sizes)}."),
        "sets": list(sizes),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "size": len(weights),
        "scores": {row["set"]: row["f1"] for row in rows},
        "offered": not arguments.not_offered,
    }
    (out / STARTER_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    card = CARD.format(
        **{key: record[key] for key in ("name", "title", "use")},
        data="\n".join(f"- `{one}`, {size} images: {SOURCES[one]}" for one, size in sizes.items()),
        hashes="\n".join(f"- `{one}`: `{digest}`" for one, digest in origin.images.items()),
        method=bundle.method_id,
        network=NETWORKS[bundle.method_id].format(**vars(bundle.train_options)),
        parameters=sum(a.size for a in bundle.weights.values()),
        diameter=bundle.train_options.working_diameter,
        seed=origin.seed,
        steps=origin.steps,
        seconds=origin.seconds,
        device=origin.device,
        held_out=origin.scores["f1"],
        command=origin.notes[-1],
        rows="\n".join(_row(row) for row in rows),
        unlike=UNLIKE.get(name.split("-")[0], UNLIKE["multi"]),
    )
    (out / CARD_FILE).write_text(card, encoding="utf-8")


def _row(row: dict[str, object]) -> str:
    star = "*" if row["learned"] else ""
    return f"| {row['set']}{star} | {row['images']} | {row['f1']:.3f} | {row['classical']:.3f} |"


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("name")
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="*", default=["dsb2018_fluo", "bbbc039"], choices=PUBLIC_DOMAIN)
    parser.add_argument("--leave-out", nargs="*", default=[], choices=PUBLIC_DOMAIN)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--method", choices=list(METHODS), default="actis")
    parser.add_argument("--width", type=int, help="feature maps; 24 of ACTIS and 12 of MAUNet when absent")
    parser.add_argument("--half", action="store_true", help="learn from every second image of each set")
    parser.add_argument("--score", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--most", type=int, default=1000)
    parser.add_argument("--score-only", action="store_true")
    parser.add_argument("--not-offered", action="store_true", help="another one for such images is better")
    parser.add_argument("--cpu-clock", action="store_true", help="count the process's own seconds, on a busy machine")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not arguments.score_only:
        names = [name for name in arguments.sets if name not in arguments.leave_out]
        sets = {name: learned(arguments.data, name, arguments.half) for name in names}
        trained = train(sets, arguments)
        save(trained, arguments.out)
        some = [greyed(image) for image in next(iter(sets.values()))[:COMPARED]]
        pair = [test(one, some, diameters(some, False))["f1_50"] for one in (trained, load_folder(arguments.out))]
        print(f"F1 of {len(some)} images before and after rounding: {pair}", flush=True)
    bundle = load_folder(arguments.out)
    sizes = {name: len(learned(arguments.data, name, arguments.half)) for name in bundle.provenance.images}
    rows = []
    for name in arguments.score or set_names(arguments.data):
        rows.append(measure(arguments.data, name, bundle, arguments.most))
        print(json.dumps(rows[-1]), flush=True)
    describe(bundle, sizes, rows, arguments)
    print(f"{arguments.out}: {(arguments.out / WEIGHTS_FILE).stat().st_size} bytes of weights")


if __name__ == "__main__":
    main()
