"""What the calls take: images, labels and models as paths, arrays or records."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from napari_cellseg_ssl.api import messages
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.labels_mode import LabelsMode, annotations_of
from napari_cellseg_ssl.core.io.user_files import find_files, pair_by_stem, read_labels
from napari_cellseg_ssl.core.methods.events import Note
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.training.pseudo_labels import agreed
from napari_cellseg_ssl.tasks.axis_policy import Reading
from napari_cellseg_ssl.tasks.batch_reading import read_each
from napari_cellseg_ssl.tasks.requests import Diameter, PredictRequest

Picture = str | Path | Array | ImageStack


def collect(
    images: Any,
    labels: Any,
    pseudo_labels: Any = None,
    agreeing_with: Any = None,
    *,
    reading: Reading,
    labels_mode: LabelsMode | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[tuple[ImageStack, ...], tuple[Annotation | None, ...], tuple[Annotation | None, ...]]:
    """Read images and pair labels and pseudo-labels with them; all may be paths, arrays, or sequences of either.

    What is left out, which files pair, a guessed `labels_mode`, and what is done with slices, is told in sentences.
    Nothing is learned from a part of what was given: where files cannot be read, the error names all of them.
    """
    pictures = _as_list(images)
    files: list[Path] = []
    if pictures and all(isinstance(p, str | Path) for p in pictures):
        files = find_files(cast(Iterable[str | Path], pictures), tell=tell)
        stacks = tuple(read_each(files, lambda file: reading.file(file, tell)))
    else:
        stacks = tuple(one_stack(p, reading, n, tell) for n, p in enumerate(pictures))
    arrays = _partners(labels, stacks, files, tell)
    annotations = annotations_of(arrays, [stack.name for stack in stacks], labels_mode, tell)
    first = _partners(pseudo_labels, stacks, files, tell, "pseudo-labels")
    second = _partners(agreeing_with, stacks, files, tell, "results to agree with")
    return stacks, annotations, _pseudo_labels(first, second)


def _partners(
    labels: Any,
    stacks: Sequence[ImageStack],
    files: Sequence[Path],
    tell: Callable[[str], None],
    what: str = "labels",
) -> list[Array | None]:
    """Labels (N, *S) of each image; empty where there are none at all."""
    if labels is None:
        return []
    partners: Sequence[Any] = _as_list(labels)
    if files and all(isinstance(p, str | Path) for p in partners):
        partners = pair_by_stem(files, find_files(partners, labels=True, images=files, tell=tell), tell, what)
    if len(partners) != len(stacks):
        raise messages.labels_for_each_image(len(stacks), len(partners))
    return read_each(zip(partners, stacks, strict=True), lambda pair: _labels(*pair))


def _pseudo_labels(first: Sequence[Array | None], second: Sequence[Array | None]) -> tuple[Annotation | None, ...]:
    if second and not first:
        raise messages.nothing_to_agree()
    if not second:
        return tuple(None if a is None else Annotation.from_dense(a) for a in first)
    pairs = zip(first, second, strict=True)
    return tuple(None if a is None or b is None else agreed(a, b) for a, b in pairs)


def _labels(partner: Any, stack: ImageStack) -> Array | None:
    if partner is None or isinstance(partner, str | Path):
        return None if partner is None else read_labels(Path(partner), stack)
    labels = np.asarray(partner)
    return labels[None] if labels.ndim == len(stack.spatial_shape) else labels


def one_stack(picture: Any, reading: Reading, n: int, tell: Callable[[str], None] = lambda text: None) -> ImageStack:
    """Return an image of any kind as a record; `n` counts from 0 and names arrays."""
    if isinstance(picture, ImageStack):
        return reading.understood(picture)
    if isinstance(picture, str | Path):
        return reading.file(find_files([picture], tell=tell)[0], tell)
    return reading.array(picture, f"image {n + 1}")


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def predict_request(
    bundle: ModelBundle,
    image: Picture,
    reading: Reading,
    object_diameter: Diameter | None,
    device: str,
    tell: Callable[[str], None] = lambda text: None,
) -> PredictRequest:
    """Ask for the maps of an image of any kind; what is not used of a file is told."""
    stack = one_stack(image, reading, 0, tell)
    return PredictRequest(bundle=bundle, image=stack, object_diameter=object_diameter, device=device)


def noted(listener: Callable[[object], None] | None) -> Callable[[str], None]:
    """Turn sentences into notes for a listener, if there is one."""
    return lambda text: None if listener is None else listener(Note(text))


def relayed(events: Iterable[object], listener: Callable[[object], None] | None) -> Iterable[object]:
    """Let a listener hear events while they pass."""
    for event in events:
        if listener is not None:
            listener(event)
        yield event
