"""Pre-trained weights for residual encoders: released ones by address, or any file that names tensors in the same way.

Accepted are plain state dicts, those of a whole network that contains the encoder (our own runs, wrapped models), and
checkpoints of momentum contrast (MoCo), of which the query encoder is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from napari_cellseg_ssl.core.nets import messages
from napari_cellseg_ssl.core.nets.expects_inputs import OnResNet
from napari_cellseg_ssl.core.nets.names import NO_WEIGHTS
from napari_cellseg_ssl.core.nets.released_weights import cache, differs, fetch, read
from napari_cellseg_ssl.core.nets.resnest_encoder import ResNeStEncoder
from napari_cellseg_ssl.core.nets.resnet_encoder import ResNetEncoder

Encoder = ResNetEncoder | ResNeStEncoder
IMAGENET = "imagenet"
ADDRESS = "https://download.pytorch.org/models/"
RELEASED = {
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-11ad3fa6.pth",
    "wide_resnet50_2": "wide_resnet50_2-9ba9bcbe.pth",
    "resnest50d": "resnest50-528c19ca.pth",
    "resnest101e": "resnest101-22405ba7.pth",
    "resnest200e": "resnest200-75117900.pth",
}
"""Files by encoder; how a file's hash begins stands in its name."""
RESNEST_ADDRESS = "https://github.com/zhanghang1989/ResNeSt/releases/download/weights_step1/"
STEMS, TELLING, COUNTER = ("conv1.weight", "conv1.0.weight"), "layer1.0.conv1.weight", "num_batches_tracked"
FEWEST = 0.9
"""Share of the encoder's tensors that a file has to hold."""
IN_PLACE = ("loaded", "colours summed", "averaged", "copied")
"""How fates begin of tensors that have a value from the file."""
LISTED = 5
"""Names of tensors in a sentence."""


@dataclass(frozen=True)
class LoadReport:
    """What became of each tensor.

    Parameters
    ----------
    source : str
        Where the weights came from.
    fate : {name of the network's tensor: str}
        "loaded", "colours summed", "missing", "shape (…) instead of (…)" or "int32 instead of float32"; in detectors
        also "averaged …" and "copied …".
    left_out : tuple of str
        Tensors of the file that the network has no place for.
    inputs : (mean, std), optional
        Per channel, by which images were shifted and scaled, where the file says so; one of our own runs does.
    what : str
        The network.
    """

    source: str
    fate: Mapping[str, str]
    left_out: tuple[str, ...]
    inputs: tuple[list[float], list[float]] | None = None
    what: str = "Encoder"

    @property
    def not_loaded(self) -> tuple[str, ...]:
        """Tensors of the network that stay as they were."""
        return tuple(name for name, fate in self.fate.items() if not fate.startswith(IN_PLACE))

    def __str__(self) -> str:
        loaded = len(self.fate) - len(self.not_loaded)
        text = f"{self.what} weights: {loaded} of {len(self.fate)} tensors loaded from {self.source}"
        if self.not_loaded:
            text += "; at random remain " + _listed([f"{name} ({self.fate[name]})" for name in self.not_loaded])
        return text + (f"; left out: {_listed(self.left_out)}." if self.left_out else ".")


def begin_with(net: OnResNet, name: str, weights: str) -> LoadReport | None:
    """Put pre-trained weights into a network's encoder, see `load_encoder`, and give it images as it knows them.

    Files that do not say how their images were shifted and scaled are taken to come from ImageNet.
    """
    report = load_encoder(net.encoder, name, weights)
    if report is not None:
        net.expect(*(report.inputs or ()))
    return report


def load_encoder(encoder: Encoder, name: str, weights: str) -> LoadReport | None:
    """Put pre-trained weights into an encoder.

    Parameters
    ----------
    name : str
        What the encoder is called, by which the released file is found; some have none.
    weights : str
        "none" or "", "imagenet", or the path of a weight file.

    Returns
    -------
    LoadReport or None
        None when the encoder stays as it is.

    Raises
    ------
    WrongOption
        If the file cannot be had, or fits less than nine tenths of the encoder.
    """
    if weights in ("", NO_WEIGHTS):
        return None
    hint = offline_hint(name)
    if weights == IMAGENET and name not in RELEASED:
        raise messages.no_released_weights(name, hint)
    file = fetch(_address(name), _hash(RELEASED[name]), hint=hint) if weights == IMAGENET else Path(weights)
    tensors = read(file, hint=hint)
    report, fitting = fit(encoder, tensors, str(file))
    if len(report.not_loaded) > (1 - FEWEST) * len(report.fate):
        raise messages.weights_of_another_network(file, name, report, hint)
    encoder.load_state_dict({**encoder.state_dict(), **fitting})
    return report


def offline_hint(name: str) -> str:
    """Say how to go on where there is no network or the file is the wrong one."""
    if name not in RELEASED:
        return "Give the path of a file as 'encoder_weights', or set encoder_weights=none to begin at random."
    return (
        f"Fetch {_address(name)} on another machine and put it into {cache()}, or give its path as "
        "'encoder_weights', or set encoder_weights=none to begin at random."
    )


def _address(name: str) -> str:
    return (RESNEST_ADDRESS if name.startswith("resnest") else ADDRESS) + RELEASED[name]


def fit(encoder: Encoder, tensors: Mapping[str, Tensor], source: str) -> tuple[LoadReport, dict[str, Tensor]]:
    """Find a place in an encoder for each tensor of a file, and say what became of them; nothing is changed."""
    prefix = _prefix(tensors)
    offered = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    fitting, fate = {}, {}
    for name, own in encoder.state_dict().items():
        given = offered.get(name)
        if given is None:
            if not name.endswith(COUNTER):  # old files have none, and nothing depends on them
                fate[name] = "missing"
        elif differs(given, own):
            fate[name] = differs(given, own)
        elif given.shape == own.shape:
            fitting[name], fate[name] = given, "loaded"
        elif name in STEMS and given.shape[:1] + given.shape[2:] == own.shape[:1] + own.shape[2:]:
            fitting[name], fate[name] = for_channels(given, own.shape[1]), "colours summed"
        else:
            fate[name] = f"shape {tuple(given.shape)} instead of {tuple(own.shape)}"
    left_out = tuple(name for name in offered if name not in fate and not name.endswith(COUNTER))
    return LoadReport(source=source, fate=fate, left_out=left_out, inputs=_inputs(tensors, prefix)), fitting


def _prefix(names: Mapping[str, Tensor]) -> str:
    """Find what stands before the encoder's names; of several encoders the query encoder, else the first."""
    prefixes = sorted(name.removesuffix(TELLING) for name in names if name.endswith(TELLING))
    return next((one for one in prefixes if one.endswith("encoder_q.")), prefixes[0] if prefixes else "")


def _inputs(tensors: Mapping[str, Tensor], prefix: str) -> tuple[list[float], list[float]] | None:
    """Look in the networks around the encoder, the nearest first, for the mean and spread of its images."""
    while prefix:
        prefix = prefix.removesuffix(".").rpartition(".")[0]
        prefix = f"{prefix}." if prefix else ""
        mean, std = (tensors.get(prefix + name) for name in ("input_mean", "input_std"))
        if mean is not None and std is not None:
            return mean.flatten().tolist(), std.flatten().tolist()
    return None


def for_channels(stem: Tensor, channels: int) -> Tensor:
    """Adapt the first layer so that a grey image in all channels gives what it gave in all colours."""
    return stem.sum(1, keepdim=True).expand(-1, channels, -1, -1) / channels


def _hash(file: str) -> str:
    return file.removesuffix(".pth").rpartition("-")[2]


def _listed(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
