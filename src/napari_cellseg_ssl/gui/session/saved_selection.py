"""What was chosen for each image, kept while another one is worked on."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary, ref

from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_cellseg_ssl.gui.layers.tags import find_layer, image_of


@dataclass(frozen=True)
class Kept:
    """Channels and annotation of one image, and the diameter of its objects, px, if it was estimated."""

    channels: tuple[int, ...] | None = None
    annotation: Labels | None = None
    estimated: float | None = None


@dataclass(frozen=True)
class _Held:
    """The same without holding layers that are closed; `refused` was painted on the image, and not wanted."""

    channels: tuple[int, ...] | None
    estimated: float | None
    annotation: "ref[Labels] | None"
    refused: "ref[Labels] | None"


class KeptChoices:
    """Remembers the choices for the images of a session."""

    def __init__(self) -> None:
        self._held: WeakKeyDictionary[Image, _Held] = WeakKeyDictionary()

    def keep(self, viewer: ViewerModel, image: Image, chosen: Kept) -> None:
        """Remember what is chosen for an image; an annotation that belongs to another one is not its own."""
        labels, own = chosen.annotation, _painted_on(viewer, image)
        is_its_own = labels is not None and image_of(viewer, labels) in (None, image)
        self._held[image] = _Held(
            channels=chosen.channels,
            estimated=chosen.estimated,
            annotation=ref(labels) if labels is not None and is_its_own else None,
            refused=ref(own) if own is not None and labels is None else None,
        )

    def take(self, viewer: ViewerModel, image: Image) -> Kept:
        """Return what was chosen for an image, else what was painted on it."""
        held, own = self._held.get(image), _painted_on(viewer, image)
        if held is None:
            return Kept(annotation=own)
        chosen = None if held.annotation is None else held.annotation()
        is_refused = own is not None and held.refused is not None and held.refused() is own
        annotation = chosen if chosen in viewer.layers else None if is_refused else own
        return Kept(held.channels, annotation, held.estimated)


def _painted_on(viewer: ViewerModel, image: Image) -> Labels | None:
    own = find_layer(viewer, image, "annotation")
    return own if isinstance(own, Labels) else None
