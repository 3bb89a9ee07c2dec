"""Weights of torchvision's Mask R-CNN, learned on COCO, for a cascade of classes of one's own.

A single stage and 91 classes become several stages and, as a rule, one class: what depends on classes is averaged over
them, later stages begin as the first one does, and what cannot be had that way begins at random. Which tensor is which
is reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from napari_cellseg_ssl.core.nets import messages
from napari_cellseg_ssl.core.nets.detector.cascade import stage_weights
from napari_cellseg_ssl.core.nets.detector.config import DetectorConfig
from napari_cellseg_ssl.core.nets.detector.detector import Detector
from napari_cellseg_ssl.core.nets.encoder_weights import LoadReport, for_channels
from napari_cellseg_ssl.core.nets.released_weights import cache, differs, fetch, read

RELEASED = {
    "coco_v1": "https://download.pytorch.org/models/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
    "coco_v2": "https://download.pytorch.org/models/maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
}
"""How a file's hash begins stands in its name."""
UNUSED_CLASSES = (0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""Of COCO's 91 ids: the background, and those that no object has, whose weights nothing was learned for."""
COCO_IDS = 91
EPSILON = 1e-5
"""Of our batch normalisation. The first released model was learned with 0 instead."""
FEWEST = 0.5
"""Share of the detector's tensors that a file has to hold."""
RENAMED = (
    (r"^(backbone\.fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)$", r"\1.0.\2"),
    (r"^rpn\.head\.conv\.(weight|bias)$", r"rpn.head.conv.0.0.\1"),
    (r"^roi_heads\.box_head\.fc6\.", "roi_heads.stages.0.box_head.layers.0."),
    (r"^roi_heads\.box_head\.fc7\.", "roi_heads.stages.0.box_head.layers.1."),
    (r"^roi_heads\.box_head\.([0-3])\.", r"roi_heads.stages.0.box_head.convs.\1."),
    (r"^roi_heads\.box_head\.5\.", "roi_heads.stages.0.box_head.layers.0."),
    (r"^roi_heads\.box_predictor\.", "roi_heads.stages.0.box_predictor."),
)
"""Names of torchvision, old and new, and ours."""
MASK_LAYER = re.compile(r"^roi_heads\.mask_head\.mask_fcn(\d)\.")
LATER_STAGE = re.compile(r"^roi_heads\.stages\.([1-9])\.")


def read_weights(weights: str) -> tuple[dict[str, Tensor], str]:
    """Read the tensors of a released model, or of a file.

    Parameters
    ----------
    weights : str
        A key of `RELEASED`, or a path.

    Returns
    -------
    tensors : {name: Tensor}
        By our names.
    source : str
        Where they are from.

    Raises
    ------
    WrongOption
        If they cannot be had.
    """
    url = RELEASED.get(weights, RELEASED["coco_v2"])
    hint = f"Fetch {url} on another machine and put it into {cache()}, or give the path of a weight file."
    file = fetch(url, url.removesuffix(".pth").rpartition("-")[2], hint=hint) if weights in RELEASED else Path(weights)
    return renamed(read(file, hint=hint)), str(file)


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give torchvision's tensors our names; others keep theirs."""
    result = {}
    for name, tensor in tensors.items():
        ours = MASK_LAYER.sub(lambda found: f"roi_heads.mask_head.{int(found[1]) - 1}.0.", name)
        for pattern, replacement in RENAMED:
            ours = re.sub(pattern, replacement, ours)
        result[ours] = tensor
    return result


def fitted_config(config: DetectorConfig, tensors: Mapping[str, Tensor]) -> DetectorConfig:
    """Lay a detector out as the weights need it.

    Heads, width of the pyramid and rule of pooling are those of the file; sizes of anchors, number of stages, classes
    and samples stay as configured.

    Parameters
    ----------
    tensors : {name: Tensor}
        From `read_weights`.

    Raises
    ------
    WrongOption
        If they are not those of a Mask R-CNN.
    """
    try:
        channels = tensors["backbone.fpn.layer_blocks.0.0.weight"].shape[0]
        width = tensors["roi_heads.stages.0.box_predictor.cls_score.weight"].shape[1]
        n_anchors = tensors["rpn.head.cls_logits.weight"].shape[0]
    except KeyError as problem:
        raise messages.weights_lack(problem) from problem
    is_normalised = "backbone.fpn.layer_blocks.0.1.weight" in tensors
    if len(config.aspect_ratios) != n_anchors:
        ratios = DetectorConfig().aspect_ratios
        if len(ratios) != n_anchors:
            raise messages.wrong_anchors(n_anchors)
        config = replace(config, aspect_ratios=ratios)
    return replace(
        config,
        backbone="resnet50",
        norm="frozen",
        channels=channels,
        head_norm="batch" if is_normalised else "none",
        rpn_convs=_count(tensors, r"^rpn\.head\.conv\.(\d+)\.0\.weight$"),
        box_convs=_count(tensors, r"^roi_heads\.stages\.0\.box_head\.convs\.(\d+)\.0\.weight$"),
        box_layers=_count(tensors, r"^roi_heads\.stages\.0\.box_head\.layers\.(\d+)\.weight$"),
        box_width=width,
        mask_convs=_count(tensors, r"^roi_heads\.mask_head\.(\d+)\.0\.weight$"),
        aligned=False,
    )


def load_detector(detector: Detector, tensors: Mapping[str, Tensor], source: str) -> LoadReport:
    """Put weights into a detector, tensor by tensor, and give it images as those that they were learned from.

    Parameters
    ----------
    detector : Detector
        Made from `fitted_config`, else much may not fit.
    tensors, source
        From `read_weights`.

    Returns
    -------
    LoadReport
        Fates are "loaded", "colours summed", "averaged …", "copied …", and of what remains at random, as classifiers
        of another number of classes do, "missing" or "shape (…) instead of (…)".

    Raises
    ------
    WrongOption
        If less than half of the tensors fit.
    """
    own, fitting, fate = detector.state_dict(), {}, {}
    is_first = not any(name.endswith("num_batches_tracked") for name in tensors)
    for name, place in own.items():
        if name.endswith("num_batches_tracked") or name.startswith("input_"):
            continue
        fate[name], value = _fate(name, place, tensors)
        if value is not None:
            if is_first and name.startswith("backbone.body.") and name.endswith("running_var"):
                value = value - EPSILON
            fitting[name] = value
    left_out = tuple(name for name in tensors if name not in own)
    report = LoadReport(source=source, fate=fate, left_out=left_out, inputs=_inputs(tensors), what="Detector")
    if len(report.not_loaded) > (1 - FEWEST) * len(fate):
        raise messages.weights_do_not_fit_detector(source, report)
    detector.load_state_dict({**own, **fitting})
    detector.expect(*(report.inputs or ()))
    return report


def _fate(name: str, place: Tensor, tensors: Mapping[str, Tensor]) -> tuple[str, Tensor | None]:
    """Say what becomes of one of the detector's tensors, and find its value if there is one."""
    given = tensors.get(name)
    stage, copied = 0, ""
    later = LATER_STAGE.match(name)
    if given is None and later is not None:
        stage, copied = int(later[1]), "copied from stage 1"
        given = tensors.get(LATER_STAGE.sub("roi_heads.stages.0.", name))
    if given is None:
        return "missing", None
    if differs(given, place):
        return differs(given, place), None
    averaged = ""
    if name.endswith(("bbox_pred.weight", "bbox_pred.bias")) and "box_predictor" in name:
        if given.shape != place.shape:
            given, averaged = _mean_delta(given), "averaged over classes"
        given = given * (stage_weights(stage)[0] / stage_weights(0)[0])
    elif "mask_fcn_logits" in name and given.shape != place.shape:
        given, averaged = _masks_of_classes(given, len(place))
    elif name == "backbone.body.conv1.weight" and given.shape != place.shape:
        given, averaged = for_channels(given, place.shape[1]), "colours summed"
    if given.shape != place.shape:
        return f"shape {tuple(given.shape)} instead of {tuple(place.shape)}", None
    times = f", times {stage + 1}" if copied and "bbox_pred" in name else ""
    return (", ".join(filter(None, (averaged, copied))) or "loaded") + times, given


def _mean_delta(deltas: Tensor) -> Tensor:
    """Average deltas over classes: (4 * classes, …) -> (4, …)."""
    by_class = deltas.unflatten(0, (-1, 4))
    return by_class[_used(len(by_class))].mean(0)


def _masks_of_classes(layer: Tensor, n_classes: int) -> tuple[Tensor, str]:
    """Take masks without the background's (classes + 1, …) -> (classes, …), or their mean for a single class."""
    if n_classes == 1:
        return layer[_used(len(layer))].mean(0, keepdim=True), "averaged over classes"
    return layer[1:], ""


def _used(n_classes: int) -> Tensor:
    unused = UNUSED_CLASSES if n_classes == COCO_IDS else (0,)
    return torch.tensor([index for index in range(n_classes) if index not in unused])


def _count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    return sum(re.match(pattern, name) is not None for name in tensors)


def _inputs(tensors: Mapping[str, Tensor]) -> tuple[list[float], list[float]] | None:
    if "input_mean" not in tensors or "input_std" not in tensors:
        return None
    return tensors["input_mean"].flatten().tolist(), tensors["input_std"].flatten().tolist()
