"""From a job's results to layers. Pictures of maps are drawn in the job's thread, layers only in the GUI's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_cellseg_ssl.core.data.maps import RECONSTRUCTION, PredictionMaps
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, Note, Remark
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import options_to_json
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.layers.layer_visibility import is_resting, rest, wake
from napari_cellseg_ssl.gui.layers.outputs import show_labels, show_maps
from napari_cellseg_ssl.gui.layers.styles import Picture, draw_maps
from napari_cellseg_ssl.gui.layers.tags import find_layer
from napari_cellseg_ssl.gui.layers.window_layers import show_in_window, show_preview
from napari_cellseg_ssl.gui.session.worker import Job
from napari_cellseg_ssl.gui.views.score_features import note_scores
from napari_cellseg_ssl.tasks import Control, LabelsReady, Preview
from napari_cellseg_ssl.tasks.memory import closed_after
from napari_cellseg_ssl.tasks.pipelines import REFERENCE, ReferenceReady
from napari_cellseg_ssl.tasks.session.events import Agreement
from napari_cellseg_ssl.tasks.warm_up import uncollected


@dataclass(frozen=True)
class MapDrawn:
    """The picture of one map, ready to be a layer."""

    maps: PredictionMaps
    pictures: Mapping[str, Picture]


def drawing(job: Job) -> Job:
    """Let a job draw its maps as soon as it has them, one after the other."""

    def run(control: Control) -> Iterator[object]:
        # The first one of a session imports and compiles for half a second: better here than in the window's thread.
        with uncollected():
            Labels(np.zeros((2, 2), np.int32))
        with closed_after(job(control)) as events:
            for event in events:
                yield event
                if isinstance(event, MapsReady):
                    for name, picture in draw_maps(event.maps).items():
                        yield MapDrawn(event.maps, {name: picture})

    return run


def show(viewer: ViewerModel, image: Image, event: object, method_id: str, bundle: ModelBundle | None) -> Note | None:
    """Show a result as layers over its image; return what the user should know about it, if anything."""
    bundle_id = "" if bundle is None else bundle.id
    match event:
        case MapDrawn(maps, pictures):
            show_maps(viewer, image, maps, get_method(method_id).info, pictures=pictures)
            _rest_preview(viewer, image)
        case ReferenceReady(labels):
            show_labels(viewer, image, labels, method=REFERENCE, is_reference=True)
        case LabelsReady(labels, options, _, scores):
            before = find_layer(viewer, image, "instances", method_id, name="")
            layer = show_labels(
                viewer, image, labels, method=method_id, bundle=bundle_id, settings=options_to_json(options)
            )
            note_scores(layer, image, labels, scores)
            if before is not None and layer is not before:
                return Note(messages.edited_layer_kept(before.name, layer.name))
        case Preview(_, window, maps, labels):
            layer = show_preview(
                viewer, image, maps, labels, frame=window.frame, region=window.region, method=method_id
            )
            if layer is not None and is_resting(layer):
                wake(layer)
            _show_drawings(viewer, image, event, method_id)
    return None


def told_elsewhere(event: object, image: Image | None, message: str) -> object:
    """Say what an event means for the screen while another image is looked at, whose own result stays what counts.

    Parameters
    ----------
    image : Image
        That the job is about.
    message : str
        What the user reads at the moment.
    """
    match event:
        case MapsReady():
            return None
        case Agreement(n_cells=n) if image is not None:
            return Note(messages.result_of_another_image(image.name, n))
        case Remark(text):
            return Note(f"{message} {text}".strip())
    return event


def _show_drawings(viewer: ViewerModel, image: Image, preview: Preview, method_id: str) -> None:
    """Show what such a network draws: below the image the image again, and to the right a mask and an image for it."""
    is_first = preview.drawn is not None and find_layer(viewer, image, "synthetic-image") is None
    window = preview.window
    put = partial(show_in_window, viewer, image, frame=window.frame, region=window.region, method=method_id)
    if RECONSTRUCTION.name in preview.maps.arrays:
        again = preview.maps.to_source(RECONSTRUCTION.name)[:, 0]
        put(again, RECONSTRUCTION.kind, below=True)
    if preview.drawn is not None:
        put(preview.drawn.mask[np.newaxis], "synthetic-mask", beside=True)
        put(preview.drawn.image[np.newaxis], "synthetic-image", beside=True, below=True)
    if is_first and image.visible:
        viewer.reset_view()


def _rest_preview(viewer: ViewerModel, image: Image) -> None:
    """Hide the preview, now that the whole result is there.

    It is not removed: napari collects garbage at every removal, during which the window does not answer.
    """
    preview = find_layer(viewer, image, "preview")
    if preview is not None:
        rest(preview)
