"""Objects of an annotated image in the format of COCO, as outlines or run lengths, and their pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.io import messages
from napari_cellseg_ssl.core.io.coco_bounds import require_polygons, require_run_lengths

FEWEST_NUMBERS = 6
"""Of a polygon: three corners."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """Some pixels of an image, still as they are in the file.

    Parameters
    ----------
    segmentation : list of polygons, or run lengths
    """

    segmentation: Any

    def require_near(self, shape: tuple[int, int]) -> None:
        """Refuse outlines that do not belong to an image of a shape (Y, X); see `coco_bounds.require_polygons`."""
        if isinstance(self.segmentation, list):
            require_polygons(corners(self.segmentation), shape)

    def run_lengths(self, shape: tuple[int, int]) -> dict[str, Any]:
        """Return the mask in an image of a shape (Y, X) as compressed run lengths.

        Raises
        ------
        ValueError, KeyError, TypeError, IndexError
            If it is none of such an image.
        """
        from pycocotools import mask

        if isinstance(self.segmentation, list):
            self.require_near(shape)
            return mask.merge(mask.frPyObjects(corners(self.segmentation), *shape))
        size = tuple(self.segmentation.get("size", shape))
        if size != shape:
            raise _OtherShape(size)
        require_run_lengths(self.segmentation, shape)
        if isinstance(self.segmentation["counts"], list):
            return mask.frPyObjects(self.segmentation, *shape)
        return {"size": list(shape), "counts": self.segmentation["counts"]}


class _OtherShape(ValueError):
    """A mask of an image of another shape."""


@dataclass(frozen=True, kw_only=True)
class CocoObject(Region):
    """One annotated object.

    Parameters
    ----------
    category : int
        As the file numbers it; there may be gaps.
    score : float, optional
        How sure a detector was.
    """

    category: int
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class CocoImage:
    """One image, where its file is, and what is annotated in it.

    Parameters
    ----------
    path : Path
        May not exist where a file was read without a folder of images.
    frame : int
        Which frame of the file.
    shape : (Y, X)
    objects : tuple of CocoObject
    unclear : tuple of Region
        Where something is that is no object to learn from: crowds, specks, boxes without a mask.
    """

    id: int
    name: str
    path: Path
    frame: int
    shape: tuple[int, int]
    objects: tuple[CocoObject, ...]
    unclear: tuple[Region, ...] = ()

    def masks(self) -> Array:
        """Decode all masks -> (N, Y, X) bool; those of objects that have no pixel are empty.

        Raises
        ------
        WrongAnnotation
            If one cannot be decoded, or is of another shape.
        """
        from pycocotools import mask

        masks = np.zeros((len(self.objects), *self.shape), bool)
        for n, runs in enumerate(self._runs(self.objects)):
            masks[n] = mask.decode(runs)
        return masks

    def boxes(self) -> Array:
        """Bounding boxes (N, 4) float32 of the masks, left, top, right and bottom in px; 0 for an empty mask.

        Raises
        ------
        WrongAnnotation
            As `masks`.
        """
        from pycocotools import mask

        found = [mask.toBbox(runs) for runs in self._runs(self.objects)]
        boxes = np.array(found, np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return boxes

    def labels(self) -> Array:
        """Paint the objects into one label image (Y, X) int32; ids are places among the objects, from 1.

        Of objects that overlap, the smaller one lies on top: below the larger one it would vanish.
        """
        from pycocotools import mask

        runs = list(self._runs(self.objects))
        labels = np.zeros(self.shape, np.int32)
        for n in sorted(range(len(runs)), key=lambda n: -int(mask.area(runs[n]))):
            labels[mask.decode(runs[n]) > 0] = n + 1
        return labels

    def known(self) -> Array:
        """Find out where the labels may be believed, also that there is no object, (Y, X) bool."""
        from pycocotools import mask

        known = np.ones(self.shape, bool)
        for runs in self._runs(self.unclear, "Region"):
            known &= mask.decode(runs) == 0
        return known if known.all() else known | (self.labels() > 0)

    def _runs(self, regions: Sequence[Region], called: str = "Mask") -> Iterator[dict[str, Any]]:
        """Yield the run lengths of regions, which can be decoded."""
        for n, one in enumerate(regions, start=1):
            try:
                runs = one.run_lengths(self.shape)
            except _OtherShape as problem:
                raise messages.mask_of_another_shape(called, n, self.name, problem.args[0], self.shape) from None
            except (ValueError, TypeError, KeyError, IndexError, AttributeError) as problem:
                why = problem if isinstance(problem, ValueError) else repr(problem)
                raise messages.mask_cannot_be_decoded(called, n, self.name, why) from problem
            yield runs


def region_of(record: Mapping[str, Any]) -> Region | None:
    """Return where an annotation is that is no object: its mask if that may have pixels, else its box.

    None if the annotation does not say.
    """
    segmentation = record.get("segmentation")
    if isinstance(segmentation, dict) or (segmentation and record.get("iscrowd") and corners(segmentation)):
        return Region(segmentation=segmentation)
    if record.get("bbox"):
        left, top, width, height = record["bbox"]
    elif segmentation:
        numbers = np.concatenate([np.ravel(part) for part in segmentation])
        x, y = numbers[::2], numbers[1::2]
        left, top, width, height = x.min(), y.min(), np.ptp(x), np.ptp(y)
    else:
        return None
    # Whole pixels, for a speck between their centres would have none.
    left, right = np.floor(left), max(np.ceil(left + width), np.floor(left) + 1)
    top, bottom = np.floor(top), max(np.ceil(top + height), np.floor(top) + 1)
    return Region(segmentation=[[float(x) for x in (left, top, right, top, right, bottom, left, bottom)]])


def corners(polygons: Any) -> list[list[float]]:
    """Return polygons with three corners or more; a single one may stand without its list."""
    nested = polygons if isinstance(polygons[0], list) else [polygons]
    return [polygon for polygon in nested if len(polygon) >= FEWEST_NUMBERS]
