"""What all tests share: small images with cells, and a method that trains instantly."""

import os

# Before torch is loaded: on a busy machine its threads wait for each other for longer than these small jobs take.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from clocks import Clock
from drawings import disks, picture
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.methods import registry


@pytest.fixture
def cells():
    """Sixteen disks, (64, 64) int32."""
    return disks()


@pytest.fixture
def stack(cells):
    """An image of the sixteen disks."""
    return ImageStack.from_array(picture(cells), name="disks")


@pytest.fixture
def clock(monkeypatch):
    """Let the clock of jobs stand still, but for the steps of the fake method and what a test makes of it."""
    import fakes
    from napari_cellseg_ssl.tasks import job_control

    clock = Clock()
    clock.put_into(monkeypatch, job_control, fakes)
    return clock


@pytest.fixture
def fake_method(monkeypatch):
    """Register the fake method for one test."""
    monkeypatch.setitem(registry.METHODS, "fake", "fakes")
    import fakes

    return fakes.METHOD


@pytest.fixture
def scoring_method(monkeypatch):
    """Register the fake method that gives scores for one test."""
    monkeypatch.setitem(registry.METHODS, "scoring", "scoring")
    import scoring

    return scoring.METHOD
