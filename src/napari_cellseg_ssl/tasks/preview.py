"""Showing what the network makes of a window while it trains."""

import time
from collections.abc import Callable, Iterator

from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.maps import RECONSTRUCTION, PredictionMaps
from napari_cellseg_ssl.core.data.scaling import resize_labels, resize_linear, working_shape
from napari_cellseg_ssl.core.data.synthetic_masks import SyntheticPair
from napari_cellseg_ssl.core.data.training_set import TrainingSet
from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.core.inference.predictor import Reconstructs
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.inference.windows import cut_out, whole_frame
from napari_cellseg_ssl.core.methods.base import Method, get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, Note, Snapshot, last_of
from napari_cellseg_ssl.tasks import messages
from napari_cellseg_ssl.tasks.events import Preview
from napari_cellseg_ssl.tasks.requests import PreviewWindow

MOST_OF_TIME = 0.1
"""Share of the training time that previews may take."""


class Previewer:
    """Turn snapshots of the network into previews of the window that is being watched.

    Parameters
    ----------
    window : () -> PreviewWindow or None
    data : TrainingSet
    method : Method
    """

    def __init__(self, window: Callable[[], PreviewWindow | None] | None, data: TrainingSet, method: Method) -> None:
        self._window = window
        self._data = data
        self._method = method
        self._limits: dict[tuple[int, int], Intensity] = {}
        self._not_before = float("-inf")

    def show(self, snapshot: Snapshot) -> Iterator[Preview | Note]:
        """Predict and segment the window; nothing if none is watched or the last preview was too expensive."""
        window = self._window() if self._window else None
        begin = time.monotonic()
        if window is None or begin < self._not_before:
            return
        try:
            yield self._preview(snapshot, window)
        except CellSegError as problem:
            yield Note(messages.no_preview(problem))
        now = time.monotonic()
        self._not_before = now + (now - begin) / MOST_OF_TIME

    def _preview(self, snapshot: Snapshot, window: PreviewWindow) -> Preview:
        method = get_method(snapshot.method_id) if snapshot.method_id else self._method
        item, info = self._data.items[window.image], method.info
        key = (window.image, window.frame)
        if key not in self._limits:
            self._limits[key] = whole_frame(Intensity(), item.image, window.frame)
        predictor, specs = snapshot.predictor, info.maps
        if isinstance(predictor, Reconstructs):
            predictor, specs = predictor.reconstructing(), (*specs, RECONSTRUCTION)
        events = predict_tiled(
            cut_out(item.image, window.frame, window.region),
            predictor,
            diameter=item.diameter,
            specs={spec.name: spec for spec in specs},
            intensity=self._limits[key],
        )
        maps = last_of(events, MapsReady).maps
        fits = isinstance(window.options, info.segment_options)
        labels = method.segment(maps, window.options if fits else info.segment_options())
        return Preview(snapshot.step, window, maps, labels, _drawn(snapshot, maps))


def _drawn(snapshot: Snapshot, maps: PredictionMaps) -> SyntheticPair | None:
    """Let the network draw a window as large as the one that is watched."""
    if snapshot.draw is None:
        return None
    shape = working_shape(maps.source_shape, maps.scale, maps.aspect)
    pair = snapshot.draw(shape)
    return SyntheticPair(
        image=resize_linear(pair.image, maps.source_shape),
        labels=resize_labels(pair.labels, maps.source_shape),
        mask=resize_labels(pair.mask, maps.source_shape),
    )
