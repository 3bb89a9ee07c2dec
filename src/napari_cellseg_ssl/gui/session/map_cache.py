"""Maps of the images of a session, kept so that sliders work again when one comes back to an image."""

from weakref import WeakKeyDictionary

from napari.layers import Image

from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.tasks.session.advance import SessionState

MOST_BYTES = 256 * 2**20
"""Of all maps that are kept; the oldest go first."""


class KeptMaps:
    """Remembers the last maps of each image."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Image, tuple[str, PredictionMaps]] = WeakKeyDictionary()

    def keep(self, image: Image, maps: PredictionMaps, method_id: str) -> None:
        """Remember the maps of an image, as long as there is room."""
        self.forget(image)
        self._kept[image] = (method_id, maps)
        for oldest in list(self._kept):
            if sum(_size(kept) for _, kept in self._kept.values()) <= MOST_BYTES:
                return
            self.forget(oldest)

    def take(self, image: Image, state: SessionState) -> PredictionMaps | None:
        """Return the maps of an image if they are of the current model, or of a method that needs none."""
        method_id, maps = self._kept.get(image, ("", None))
        if maps is None or method_id != state.method_id:
            return None
        is_current = state.bundle is not None and maps.bundle_id == state.bundle.id
        return maps if is_current or not state.learns else None

    def forget(self, image: Image) -> None:
        """Let go of the maps of an image."""
        self._kept.pop(image, None)

    def clear(self) -> None:
        """Let go of all maps."""
        self._kept.clear()


def _size(maps: PredictionMaps) -> int:
    return sum(array.nbytes for array in maps.arrays.values())
