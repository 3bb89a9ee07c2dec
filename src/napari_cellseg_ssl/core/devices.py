"""Which device does the work, and why."""

from dataclasses import dataclass

from napari_cellseg_ssl.core import messages

DEVICE_NAMES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Device:
    """A device torch can use, and the sentence that says why it was taken."""

    name: str
    why: str


def pick_device(wanted: str = "auto") -> Device:
    """Choose a device; imports torch.

    Raises
    ------
    WrongOption
        If the wanted device is not there.
    """
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "auto":
        wanted = "cuda" if cuda else "mps" if mps else "cpu"
        if wanted == "cpu":
            return Device("cpu", f"CPU: {_why_no_gpu()}")
    kind = wanted.partition(":")[0]
    if kind not in DEVICE_NAMES[1:]:
        raise messages.no_such_device(wanted, ", ".join(DEVICE_NAMES))
    if (kind == "cuda" and not cuda) or (kind == "mps" and not mps):
        raise messages.device_not_available(wanted, _why_no_gpu())
    if kind == "cuda":
        return Device(wanted, f"GPU: {torch.cuda.get_device_name(wanted)}")
    return Device(wanted, "Apple GPU" if kind == "mps" else "CPU, as chosen")


def _why_no_gpu() -> str:
    import torch

    if torch.version.cuda is None and not torch.backends.mps.is_built():
        return "this build of PyTorch has no GPU support"
    return "PyTorch finds no GPU"
