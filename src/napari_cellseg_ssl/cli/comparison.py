"""A picture of several segmentations side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.io.pictures import write_png

ZOOM, GAP, CAPTION = 2, 8, 20
INK, PAPER, BACKGROUND_INK = (20, 20, 20), (255, 255, 255), (0.9, 0.1, 0.1)
GOLDEN = 0.618034
THICKNESS = 2
"""Of outlines, px of the enlarged picture."""


@dataclass(frozen=True)
class Panel:
    """One picture (Y, X) with its caption; `labels` (Y, X) are outlined, `background` (Y, X) bool is tinted."""

    caption: str
    image: Array
    labels: Array | None = None
    background: Array | None = None


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
    write_png(file, np.asarray(sheet))


def _render(panel: Panel) -> Array:
    """Draw a panel -> (Y, X, 3) uint8, enlarged."""
    grey = np.clip(Intensity().normalise(panel.image[None])[0], 0, 1) ** 0.6
    rgb = np.repeat(np.repeat(np.stack([grey] * 3, axis=-1), ZOOM, axis=0), ZOOM, axis=1)
    if panel.labels is not None:
        labels = np.repeat(np.repeat(panel.labels, ZOOM, axis=0), ZOOM, axis=1)
        edge = _edges(labels)
        rgb[edge] = _colours(int(labels.max()))[labels[edge]]
    if panel.background is not None:
        marked = np.repeat(np.repeat(panel.background, ZOOM, axis=0), ZOOM, axis=1)
        rgb[marked] = 0.4 * rgb[marked] + 0.6 * np.array(BACKGROUND_INK)
    return (rgb * 255).astype(np.uint8)


def _colours(n: int) -> Array:
    """Make n + 1 bright colours, (n + 1, 3), neighbours in number far apart in hue."""
    hue = 6 * ((np.arange(n + 1) * GOLDEN) % 1.0)
    colours: Array = np.stack([np.abs(hue - 3) - 1, 2 - np.abs(hue - 2), 2 - np.abs(hue - 4)], axis=1).clip(0.15, 1)
    return colours


def _edges(labels: Array) -> Array:
    """Find the pixels of objects that touch something else, (Y, X) bool."""
    t = THICKNESS
    padded = np.pad(labels, t, mode="edge")
    height, width = labels.shape
    differs = np.zeros(labels.shape, bool)
    for dy, dx in ((-t, 0), (t, 0), (0, -t), (0, t)):
        differs |= labels != padded[t + dy : t + dy + height, t + dx : t + dx + width]
    return differs & (labels > 0)
