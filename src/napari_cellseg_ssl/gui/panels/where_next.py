"""Where to paint next: fields in which the current model is uncertain, a click away."""

from functools import partial
from weakref import ref

from napari.layers import Image
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget

from napari_cellseg_ssl.core.inference.where_next import Field
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.layers.layer_snapshots import open_file
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.views.goto_region import go_to, mark_complete
from napari_cellseg_ssl.gui.widgets.fitting import follow_font
from napari_cellseg_ssl.gui.widgets.stage import Stage, button, leave_keys, note
from napari_cellseg_ssl.tasks.session.advance import SessionState, controls
from napari_cellseg_ssl.tasks.training_files import TrainingFile
from napari_cellseg_ssl.tasks.where_next import FieldsRanked, where_next

ROWS = 6
INTRODUCTION = (
    "Where the current model is uncertain, in the chosen image and those checked under <b>Also learn from</b>. "
    "Paint every cell of a field, then say so."
)
TIP = "Run the model over all images, and list the fields that are worth painting most."


class WhereNextPanel(Stage):
    """A ranked list of fields; choosing one goes there."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__("Where next", parent)
        self._controller = controller
        self._sources: list[ref[Image] | TrainingFile] = []
        self._fields: tuple[Field, ...] = ()
        self.find = button("Find fields worth painting", "cellseg_where_next", TIP, self._find)
        self.list = QListWidget()
        self.list.setObjectName("cellseg_fields")
        self.list.setToolTip("Fields, the most doubtful first. A click goes there.")
        leave_keys(self.list)
        follow_font(self.list, lambda: self.list.setFixedHeight((ROWS + 1) * self.list.fontMetrics().height()))
        tip = "Every cell in this field is painted: the rest of it is background."
        self.complete = button("This field is painted completely", "cellseg_field_complete", tip, self._complete)
        for widget in (note(INTRODUCTION), self.find, self.list, self.complete):
            self.form.addRow(widget)
        self.list.itemClicked.connect(lambda *_: self._go())
        self.list.itemActivated.connect(lambda *_: self._go())
        controller.happened.connect(self._on_event)
        controller.state_changed.connect(self._render)
        self._fill((), ())
        self._render(controller.state)

    def _render(self, state: SessionState) -> None:
        has_model = state.bundle is not None and bool(state.image)
        self.find.setEnabled(has_model and not controls(state).is_busy)
        self.find.setToolTip(TIP if has_model else messages.no_model_yet())

    def _find(self) -> None:
        controller, choices = self._controller, self._controller.choices
        model = controller.model
        examples = controller.taken(lambda: choices.examples(with_labels=True))
        if model is None or not examples:
            return
        self._sources = [_held(source) for source in choices.sources()]
        controller.run(partial(where_next, examples, model))

    def _on_event(self, event: object) -> None:
        if isinstance(event, FieldsRanked):
            self._fill(event.fields, tuple(self._name(field) for field in event.fields))

    def _fill(self, fields: tuple[Field, ...], names: tuple[str, ...]) -> None:
        self._fields = fields
        self.list.clear()
        for rank, (field, name) in enumerate(zip(fields, names, strict=True), start=1):
            frame = f", frame {field.frame + 1}" if any(f.image == field.image and f.frame for f in fields) else ""
            item = QListWidgetItem(f"{rank}  {name}{frame}: {field.reason}")
            item.setToolTip(f"Mean uncertainty {field.score:.2f}; at {field.box}")
            self.list.addItem(item)
        self.form.setRowVisible(self.list, bool(fields))
        self.form.setRowVisible(self.complete, bool(fields))
        self.complete.setEnabled(False)

    def _name(self, field: Field) -> str:
        source = self._sources[field.image]
        if isinstance(source, TrainingFile):
            return source.path.name
        image = source()
        return "(closed)" if image is None else image.name

    def _go(self) -> None:
        image = self._image()
        if image is not None and self._controller.viewer is not None:
            self._controller.following.go_to(image, alone=True)
            go_to(self._controller.viewer, image, self._field())
        self.complete.setEnabled(image is not None)

    def _complete(self) -> None:
        image = self._image()
        if image is not None and self._controller.viewer is not None:
            mark_complete(self._controller.viewer, image, self._field())
            self.list.currentItem().setText(f"✓ {self.list.currentItem().text()}")
            self.complete.setEnabled(False)

    def _field(self) -> Field:
        return self._fields[self.list.currentRow()]

    def _image(self) -> Image | None:
        """The image of the chosen field; a file is opened first."""
        viewer, place = self._controller.viewer, self._field().image
        source = self._sources[place]
        if isinstance(source, TrainingFile):
            opened = None if viewer is None else open_file(viewer, source.path)
            if opened is None:
                return None
            self._sources[place] = source = ref(opened)
        image = source()
        return image if viewer is not None and image in viewer.layers else None


def _held(source: Image | TrainingFile) -> "ref[Image] | TrainingFile":
    """Hold a file, but let go of a layer that is closed."""
    return source if isinstance(source, TrainingFile) else ref(source)
