"""The published network of ACTIS: a U-Net on EfficientNet-B5, with ImageNet weights where there are some.

The network itself is MONAI's; this adapts its weights to images of any number of channels and says where they come
from: the address of the original release with its hash, or a file for machines without a network.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor, nn

from napari_cellseg_ssl.core.nets import messages
from napari_cellseg_ssl.core.nets.names import NO_WEIGHTS
from napari_cellseg_ssl.core.nets.released_weights import differs, fetch, read

IMAGENET = "imagenet"
WEIGHTS_URL = "https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0/efficientnet-b5-b6417697.pth"
WEIGHTS_SHA256 = "b6417697"
"""How the file's hash begins, which its publisher has put into its name."""
STEM = "_conv_stem.weight"
_BLOCK = re.compile(r"(.+)\.\d+(\.\d+\..+)")
"""MONAI numbers blocks by stage and place, the released file by place alone."""
OFFLINE_HINT = (
    f"Without a network, fetch {WEIGHTS_URL} elsewhere and give its path as 'encoder_weights', "
    "or set encoder_weights=none, or encoder=small."
)


class EfficientNetUNet(nn.Module):
    """Map (B, C, Y, X) images to (B, 3, Y, X) logits; the paper's encoder and decoder widths.

    Parameters
    ----------
    in_channels, out_channels : int
    weights : str
        "none" or "", "imagenet", or the path of a weight file.

    Raises
    ------
    WrongOption
        If the weights cannot be had or do not fit.
    """

    halo, multiple_of = 64, 32

    def __init__(self, in_channels: int, out_channels: int = 3, *, weights: str = NO_WEIGHTS) -> None:
        super().__init__()
        from monai.networks.nets import FlexibleUNet

        self.net = FlexibleUNet(in_channels, out_channels, "efficientnet-b5", pretrained=False)
        if weights not in ("", NO_WEIGHTS):
            load_encoder(self.net.encoder, imagenet_file() if weights == IMAGENET else Path(weights))

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits; both axes of the image must be multiples of 32."""
        logits: Tensor = self.net(image)
        return logits


def load_encoder(encoder: nn.Module, file: Path) -> None:
    """Put released weights into an encoder; the first layer's colours are summed up for other numbers of channels.

    Raises
    ------
    WrongOption
        If the file cannot be read or lacks weights of the encoder.
    """
    released = read(file, hint=OFFLINE_HINT)
    own = encoder.state_dict()
    names = {name: re.sub(_BLOCK, r"\1\2", name) for name in own if not name.startswith("_fc")}
    missing = [name for name in names.values() if name not in released]
    if missing:
        raise messages.not_efficientnet(file, missing[0], OFFLINE_HINT)
    found = {name: released[other] for name, other in names.items()}
    for name, other in names.items():
        if differs(found[name], own[name]):
            raise messages.efficientnet_tensor_differs(other, file, differs(found[name], own[name]), OFFLINE_HINT)
    stem, channels = found[STEM], own[STEM].shape[1]
    if stem.shape[1] != channels:
        found[STEM] = stem.sum(1, keepdim=True).expand(-1, channels, -1, -1) / channels
    try:
        encoder.load_state_dict(found, strict=False)
    except RuntimeError as problem:
        raise messages.efficientnet_shapes_differ(file, problem, OFFLINE_HINT) from problem


def imagenet_file() -> Path:
    """Return the released weight file; see `released_weights.fetch`."""
    return fetch(WEIGHTS_URL, WEIGHTS_SHA256, hint=OFFLINE_HINT)
