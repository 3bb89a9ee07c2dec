"""The box *Proposals* of the paint dock: where they come from, and what can be done with them."""

from collections.abc import Callable, Mapping

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Signal

from napari_cellseg_ssl.gui.annotate.painting import PROPOSAL_ACTS
from napari_cellseg_ssl.gui.annotate.proposals import can_propose, misfit
from napari_cellseg_ssl.gui.panels.key_grid import ActGrid
from napari_cellseg_ssl.gui.widgets.layer_combo import LayerCombo
from napari_cellseg_ssl.gui.widgets.stage import Stage, note


class ProposalsBox(Stage):
    """Choose a source of proposals; accept and reject what it proposes."""

    chosen = Signal()

    def __init__(self, viewer: ViewerModel | None, clicked: Mapping[str, Callable[[], None]]) -> None:
        super().__init__("Proposals")
        self.source = LayerCombo(viewer, can_propose, none="the current result", follows=False)
        self.source.setObjectName("cellseg_proposals_from")
        self.source.setToolTip(
            "Propose the current result, or the cells of any Labels layer: of another plugin, or from a file."
        )
        self.source.chosen.connect(lambda *_: self.chosen.emit())
        self.form.addRow("Proposals from", self.source)
        self._problem = note()
        self.form.addRow(self._problem)
        self.acts = ActGrid(PROPOSAL_ACTS, clicked)
        self.form.addRow(self.acts)

    def render(self, annotation: Labels | None) -> None:
        """Show whether cells can be taken over to an annotation, and say why not."""
        layer = self.source.layer
        problem = "" if layer is None or annotation is None else misfit(layer, annotation)
        self.tell(self._problem, problem)
        self.acts.setEnabled(annotation is not None)
