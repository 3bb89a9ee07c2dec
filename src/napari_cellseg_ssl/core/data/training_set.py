"""Images to learn from, with what is known of them."""

from dataclasses import dataclass

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack


@dataclass(frozen=True, kw_only=True)
class TrainingItem:
    """One image, what was painted on it if anything, and the diameter of its objects in source px."""

    image: ImageStack
    annotation: Annotation | None = None
    diameter: float


@dataclass(frozen=True)
class TrainingSet:
    """Images of any sizes with the same channels."""

    items: tuple[TrainingItem, ...]

    @property
    def n_channels(self) -> int:
        """Channels of every image."""
        return self.items[0].image.n_channels

    @property
    def n_cells(self) -> int:
        """Annotated cells in all images."""
        return sum(item.annotation.n_cells for item in self.items if item.annotation is not None)
