"""A picture of several segmentations side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.intensity import Intensity

ZOOM, GAP, CAPTION = 2, 8, 20
INK, PAPER = (20, 20, 20), (255, 255, 255)


@dataclass(frozen=True)
class Panel:
    """One picture with its caption; `labels` (Y, X) are drawn as coloured outlines on the image (Y, X)."""

    caption: str
    image: Array
    labels: Array | None = None


def save_comparison(file: Path, rows: Sequence[Sequence[Panel]]) -> None:
    """Write rows of panels as one PNG; all panels of a row are of one size."""
    from PIL import Image, ImageDraw

    pictures = [[_render(panel) for panel in row] for row in rows]
    heights = [row[0].shape[0] + CAPTION + GAP for row in pictures]
    width = max(sum(p.shape[1] + GAP for p in row) for row in pictures) + GAP
    sheet = Image.new("RGB", (width, sum(heights) + GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    top = GAP
    for row, row_pictures, height in zip(rows, pictures, heights, strict=True):
        left = GAP
        for panel, pixels in zip(row, row_pictures, strict=True):
            pen.text((left, top), panel.caption, fill=INK, font_size=14)
            sheet.paste(Image.fromarray(pixels), (left, top + CAPTION))
            left += pixels.shape[1] + GAP
        top += height
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)


def _render(panel: Panel) -> Array:
    """Draw a panel -> (Y, X, 3) uint8, enlarged."""
    grey = np.clip(Intensity().normalise(panel.image[None])[0], 0, 1) ** 0.6
    rgb = np.repeat(np.repeat(np.stack([grey] * 3, axis=-1), ZOOM, axis=0), ZOOM, axis=1)
    if panel.labels is not None:
        labels = np.repeat(np.repeat(panel.labels, ZOOM, axis=0), ZOOM, axis=1)
        colours = np.random.default_rng(1).uniform(0.35, 1.0, (int(labels.max()) + 1, 3))
        edge = _edges(labels)
        rgb[edge] = colours[labels[edge]]
    return (rgb * 255).astype(np.uint8)


def _edges(labels: Array) -> Array:
    """Find the pixels of objects that touch something else, (Y, X) bool."""
    padded = np.pad(labels, 1, mode="edge")
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    differs = np.zeros(labels.shape, bool)
    for other in neighbours:
        differs |= labels != other
    return differs & (labels > 0)
