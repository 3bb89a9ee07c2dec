"""Which device is taken, and what is said about it."""

import pytest

from napari_cellseg_ssl.core.devices import pick_device
from napari_cellseg_ssl.core.errors import WrongOption


def pretend(monkeypatch, *, cuda, mps):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda name: "Big GPU")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "name", "why"),
    [(True, False, "cuda", "Big GPU"), (False, True, "mps", "Apple"), (False, False, "cpu", "CPU")],
)
def test_the_best_device_is_taken_and_named(monkeypatch, cuda, mps, name, why):
    pretend(monkeypatch, cuda=cuda, mps=mps)

    device = pick_device("auto")

    assert device.name == name
    assert why in device.why


def test_why_there_is_no_gpu_is_said(monkeypatch):
    import torch

    pretend(monkeypatch, cuda=False, mps=False)
    assert "no GPU support" in pick_device("auto").why
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "finds no GPU" in pick_device("auto").why


@pytest.mark.parametrize("wanted", ["cuda", "cuda:1", "mps", "tpu"])
def test_a_device_that_is_not_there_is_refused(monkeypatch, wanted):
    pretend(monkeypatch, cuda=False, mps=False)

    with pytest.raises(WrongOption, match=wanted):
        pick_device(wanted)


def test_the_cpu_can_be_chosen_beside_a_gpu(monkeypatch):
    pretend(monkeypatch, cuda=True, mps=False)

    assert pick_device("cpu").why == "CPU, as chosen"
    assert pick_device("cuda:1").name == "cuda:1"
