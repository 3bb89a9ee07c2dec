"""What a loaded network can be asked: maps of crops, and what some networks can do beside that."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array


class Predictor(Protocol):
    """One loaded network on one device.

    Attributes
    ----------
    halo : int
        Context in px that the network needs around each crop, at the working scale.
    multiple_of : int
        Tile origins and sizes are multiples of this.
    working_diameter : float or None
        Object diameter in px that the network expects; None takes images as they are.
    """

    halo: int
    multiple_of: int
    working_diameter: float | None

    def __call__(self, crops: Array, origins: Array) -> Mapping[str, Array]:
        """Predict.

        Parameters
        ----------
        crops : (B, C, *S) float32
            Normalised, halo included.
        origins : (B, len(S)) int
            Position of each crop in the padded frame, so that position-dependent noise does not know of tiles.

        Returns
        -------
        {map name: (B, c, *S)}
            As large as the crops; what lies within the halo is thrown away.
        """
        ...


@runtime_checkable
class NeedsField(Protocol):
    """A predictor that has to look at the whole field of an image before it can predict any part of it."""

    def for_field(self, field: Array) -> Predictor:
        """Return a predictor for the tiles of a normalised field (C, *S) at the working scale."""
        ...


@runtime_checkable
class Detects(Protocol):
    """A predictor that finds objects instead of saying of each pixel what it is.

    `PredictionMaps.detections` holds what it found, and the network is not asked again when sliders move.

    Attributes
    ----------
    multiple_of : int
        Windows begin at multiples of this, px.
    """

    multiple_of: int

    def look(self, window: Array) -> tuple[Detections, Mapping[str, Array]]:
        """Look at a window, of any size, of a normalised field at the working scale.

        Parameters
        ----------
        window : (C, Y, X) float32

        Returns
        -------
        found : Detections
            In px of the window.
        maps : {map name: (c, Y, X)}
            As large as the window: what can be seen where nothing was found.
        """
        ...


@runtime_checkable
class Interpolates(Protocol):
    """A predictor that can stop on the way from an image to its mask."""

    def towards(self, tau: float) -> Predictor:
        """Return a predictor whose first map is the image as the network sees it at 0, its mask at 1."""
        ...


@runtime_checkable
class Reconstructs(Protocol):
    """A predictor that can show what it has understood of an image."""

    def reconstructing(self) -> Predictor:
        """Return a predictor with one map more, `maps.RECONSTRUCTION`: the image as the network draws it again."""
        ...
