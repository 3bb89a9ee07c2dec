"""The chosen image follows the selected layer: an image, or a layer that was made for one; unless it is pinned."""

from typing import Any
from weakref import ref

from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtCore import QObject, QTimer, Signal

from napari_cellseg_ssl.gui.layers.image_visibility import bring_in_sight, gather, grid_of, waiting_images
from napari_cellseg_ssl.gui.layers.tags import image_of, is_image
from napari_cellseg_ssl.gui.session.selection import Choices


class Following(QObject):
    """Keeps the choice of a session, the selection in the layer list and what is in sight together."""

    looked = Signal()
    """Other images wait now."""
    pinned = Signal(bool)

    def __init__(self, viewer: ViewerModel, choices: Choices, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._choices = ref(viewer), choices
        self._is_pinned = self._is_removing = False
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.follow)
        self._gather_soon = QTimer(self)
        self._gather_soon.setSingleShot(True)
        self._gather_soon.setInterval(0)
        self._gather_soon.timeout.connect(self._gather)
        viewer.layers.selection.events.active.connect(self._on_active)
        viewer.layers.events.removing.connect(self._on_removing)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.events.reordered.connect(lambda _event: self._gather_soon.start())
        grid_of(viewer).events.enabled.connect(self._look)
        choices.image_changed.connect(self._on_image)
        self.follow()

    @property
    def is_pinned(self) -> bool:
        """Whether the chosen image stays, whatever is selected."""
        return self._is_pinned

    def pin(self, is_pinned: bool) -> None:
        """Stay with the chosen image, or follow the selection again."""
        if is_pinned != self._is_pinned:
            self._is_pinned = is_pinned
            self.pinned.emit(is_pinned)
            self.follow()

    def waiting(self) -> list[Image]:
        """List the images that are hidden while the chosen one is looked at."""
        viewer = self._viewer()
        return [] if viewer is None else waiting_images(viewer)

    def follow(self) -> None:
        """Choose the image of the selected layer, if it is or has one."""
        image = self._meant()
        if image is not None and not self._is_pinned:
            self._choices.choose_image(image)

    def go_to(self, image: Image, *, alone: bool = False) -> None:
        """Choose an image, pinned or not, and bring it in sight; see `bring_in_sight`."""
        self._choices.choose_image(image)
        self._look(alone=alone)

    def forget(self) -> None:
        """Follow no longer."""
        self._soon.stop()
        self._gather_soon.stop()
        viewer = self._viewer()
        if viewer is not None:
            viewer.layers.selection.events.active.disconnect(self._on_active)

    def _meant(self) -> Image | None:
        viewer = self._viewer()
        active: Layer | None = None if viewer is None else viewer.layers.selection.active
        if viewer is None or active is None:
            return None
        return active if is_image(active) else image_of(viewer, active)

    def _on_active(self, _event: Any) -> None:
        """Follow at once; but while a layer is being removed, none may be added."""
        if self._is_removing:
            self._soon.start()
        else:
            self.follow()

    def _on_image(self, image: Image | None) -> None:
        """Bring the chosen image in sight, and select it if the user chose it elsewhere."""
        viewer, meant = self._viewer(), self._meant()
        if image is None:
            self.pin(is_pinned=False)
        self._look()
        if viewer is not None and image in viewer.layers and meant not in (None, image) and not self._is_pinned:
            viewer.layers.selection.active = image

    def _look(self, _event: Any = None, *, alone: bool = False) -> None:
        viewer, image = self._viewer(), self._choices.image_layer
        if viewer is not None and image is not None and image in viewer.layers:
            bring_in_sight(viewer, image, alone=alone)
        self.looked.emit()

    def _on_removing(self, _event: Any) -> None:
        self._is_removing = True

    def _on_removed(self, _event: Any) -> None:
        self._is_removing = False

    def _gather(self) -> None:
        """Let the layers of the chosen image go along with it."""
        viewer, image = self._viewer(), self._choices.image_layer
        if viewer is not None and image is not None and image in viewer.layers:
            gather(viewer, image)
