"""A method that learns nothing, instantly, with numpy alone; and misbehaves when told to."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.maps import MapSpec
from napari_cellseg_ssl.core.methods.base import MethodInfo
from napari_cellseg_ssl.core.methods.events import Checkpoint, Snapshot, Started, Step, TrainFinished, Validated
from napari_cellseg_ssl.core.model.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.options import option

TORCH_SAYS = "CUDA out of memory. Tried to allocate 20.00 GiB"
FAILURES = {
    "RuntimeError": RuntimeError("shapes cannot be multiplied"),
    "KeyError": KeyError("offset"),
    "memory": MemoryError(),
    "torch memory": RuntimeError(TORCH_SAYS),
}


@dataclass(frozen=True, kw_only=True)
class FakeOptions:
    steps: int = option(20, label="Steps", help="Steps to take", min=1, max=1_000_000)
    batch_size: int = option(1, label="Batch", help="Fails above `fits`", min=1, max=64)
    fits: int = option(64, label="Fits", help="Largest batch that fits into memory", min=0, max=64)
    wait: float = option(0.0, label="Wait", help="Time per step", min=0.0, max=10.0, unit="s")
    fail: str = option("", label="Fail", help="What goes wrong", choices=("", *FAILURES))
    fail_at: int = option(3, label="Fail at", help="In which step", min=1, max=1000)


@dataclass(frozen=True, kw_only=True)
class FakeSegmentOptions:
    threshold: float = option(0.5, label="Threshold", help="Higher: less foreground", min=0.0, max=1.0, step=0.05)
    fail: str = option("", label="Fail", help="What goes wrong")


class FakePredictor:
    """Return what it is given as foreground, or fail."""

    halo, multiple_of, working_diameter = 4, 2, None

    def __init__(self, fail: str = "") -> None:
        self.fail = fail

    def __call__(self, crops, origins):
        if self.fail:
            raise FAILURES[self.fail]
        return {"foreground": crops.mean(axis=1, keepdims=True)}


class FakeMethod:
    """Take random steps; the sum of them is the model."""

    info = MethodInfo(
        id="fake",
        title="Fake",
        summary="For tests.",
        citation="",
        labels="optional",
        spatial_ndims=(2,),
        train_options=FakeOptions,
        segment_options=FakeSegmentOptions,
        maps=(MapSpec("foreground", "foreground", 1),),
        presets={"fast": {}, "slow": {"wait": 0.05}},
        uses_torch=False,
    )

    def train(self, data, options, run) -> Iterator:
        rng = np.random.default_rng(run.seed)
        first, total = 0, np.zeros(3, np.float32)
        if run.resume is not None:
            first, total = run.resume.step, run.resume.arrays["total"].copy()
            rng.bit_generator.state = run.resume.meta["random"]
        yield Started(None if run.time_budget else options.steps, run.device)
        step, reason = first, "completed"
        while run.fraction(step, options.steps) < 1:
            if run.should_stop():
                reason = "stopped"
                break
            step += 1
            self._misbehave(options, step)
            total = total + rng.normal(size=3).astype(np.float32)
            yield Step(step, run.fraction(step, options.steps), {"loss": 1 / step}, 0.1)
            yield Snapshot(step, FakePredictor())
            yield Checkpoint(step, {"total": total}, {"random": rng.bit_generator.state})
        yield Validated(step, {"f1": 0.5}, best=True)
        yield TrainFinished(self._bundle(data, options, total, step), reason)

    def predictor(self, bundle, device):
        return FakePredictor(bundle.train_options.fail if bundle.train_options.fail_at == 1000 else "")

    def segment(self, maps, options):
        if options.fail:
            raise FAILURES[options.fail]
        foreground = maps.arrays["foreground"][:, 0] > options.threshold
        return maps.labels_to_source(np.stack([ndimage.label(frame)[0] for frame in foreground]))

    def _misbehave(self, options, step):
        time.sleep(options.wait)
        if options.batch_size > options.fits:
            raise RuntimeError(TORCH_SAYS)
        if options.fail and step == options.fail_at:
            raise FAILURES[options.fail]

    def _bundle(self, data, options, total, step):
        return ModelBundle(
            name="fake",
            method_id="fake",
            train_options=replace(options),
            segment_options=FakeSegmentOptions(),
            architecture={"tag": "fake", "in_channels": data.n_channels, "spatial_ndim": 2},
            weights={"total": total},
            provenance=Provenance(steps=step),
        )


METHOD = FakeMethod()
