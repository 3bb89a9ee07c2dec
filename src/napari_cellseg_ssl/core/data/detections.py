"""What an instance detector found in an image: boxes, scores, classes, and a small mask in each box."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core.data.images import Array


@dataclass(frozen=True, kw_only=True)
class Detections:
    """N objects, best first.

    Parameters
    ----------
    boxes : (N, 4) float32
        x of the left side, y of the upper, x of the right, y of the lower, in px; pixel 0 reaches from 0 to 1.
    scores : (N,) float32, 0 to 1
    classes : (N,) int64
        From 0.
    masks : (N, M, M) float32
        Probability of belonging to the object, on a grid that fills the box.
    """

    boxes: Array
    scores: Array
    classes: Array
    masks: Array

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, chosen: Array | slice) -> "Detections":
        """Return some of the objects, in the order that they are asked for."""
        return Detections(
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            classes=self.classes[chosen],
            masks=self.masks[chosen],
        )

    def moved(self, y: float, x: float) -> "Detections":
        """Return the same objects in an image that begins `y` px higher and `x` px further to the left."""
        boxes = self.boxes + np.array([x, y, x, y], np.float32)
        return Detections(boxes=boxes, scores=self.scores, classes=self.classes, masks=self.masks)

    def within(self, rows: slice, columns: slice) -> "Detections":
        """Return the objects whose boxes reach into a window, in px of the window; they may reach beyond it."""
        x1, y1, x2, y2 = self.boxes.T
        seen = (x2 > columns.start) & (x1 < columns.stop) & (y2 > rows.start) & (y1 < rows.stop)
        return self[seen].moved(-rows.start, -columns.start)

    def scaled(self, y: float, x: float) -> "Detections":
        """Return the same objects in an image that was made so many times as high and as wide."""
        boxes = self.boxes * np.array([x, y, x, y], np.float32)
        return Detections(boxes=boxes, scores=self.scores, classes=self.classes, masks=self.masks)

    @classmethod
    def joined(cls, parts: Sequence["Detections"]) -> "Detections":
        """Put the objects of one or more parts together, best first."""
        together = cls(
            boxes=np.concatenate([part.boxes for part in parts]),
            scores=np.concatenate([part.scores for part in parts]),
            classes=np.concatenate([part.classes for part in parts]),
            masks=np.concatenate([part.masks for part in parts]),
        )
        return together[np.argsort(-together.scores, kind="stable")]
