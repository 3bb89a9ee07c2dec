"""Every sentence of the window that depends on what happened; labels and tooltips are where their widgets are made."""

from collections.abc import Sequence
from pathlib import Path

from napari_cellseg_ssl.core.errors import OutOfMemory, WrongAnnotation, WrongImage
from napari_cellseg_ssl.gui.widgets.wording import counted
from napari_cellseg_ssl.tasks.session.events import Failed


def labels_of_another_shape(labels: str, shape: Sequence[int], image: str, wanted: Sequence[int]) -> WrongAnnotation:
    """Labels do not fit the image."""
    return WrongAnnotation(
        f"Labels '{labels}' have the shape {tuple(shape)}, but image '{image}' needs {tuple(wanted)}.",
        "Choose the labels that belong to this image, or make a new annotation for it.",
    )


def axes_unknown(layer: str, ndim: int) -> WrongImage:
    """It is not known what the axes of a layer mean."""
    return WrongImage(
        f"Layer '{layer}' has {ndim} dimensions, and their meaning is not given.",
        "Give the layer axis labels such as t, z, c, y, x.",
    )


def image_too_large(image: str, shape: Sequence[int]) -> OutOfMemory:
    """An image does not fit into memory."""
    return OutOfMemory(f"Image '{image}' of shape {tuple(shape)} does not fit into memory.", "Use a part of it.")


def shapes_differ(truth: Sequence[int], prediction: Sequence[int]) -> WrongAnnotation:
    """Truth and prediction have different shapes."""
    return WrongAnnotation(
        f"The truth has the shape {tuple(truth)}, the prediction {tuple(prediction)}.",
        "Choose two layers of the same image.",
    )


def truth_is_empty() -> WrongAnnotation:
    """Nothing is painted in the truth."""
    return WrongAnnotation("Nothing is painted in the truth layer.", "Paint some cells, or choose another layer.")


def out_of_memory() -> Failed:
    """Memory ran out."""
    return Failed("Memory ran out.", "Close other programs, or work on a smaller image.")


def unexpected(problem: BaseException, details: str) -> Failed:
    """Something that nobody foresaw."""
    said = f"{type(problem).__name__}: {problem}"
    return Failed(f"Something unexpected happened ({said}).", "Please report it.", details)


def nothing_to_tune_for() -> Failed:
    """Tuning needs painted cells."""
    return Failed("There is nothing to tune for.", "Choose the layer in which cells are painted.")


def training_needs_its_image() -> Failed:
    """An interrupted training cannot continue without its image."""
    return Failed("An interrupted training needs its image.", "Open the image first, then the run.")


def cannot_be_put_back(layer: object, problem: Exception) -> Failed:
    """A saved layer is damaged."""
    return Failed(f"'{layer}' cannot be put back ({problem}).", "Its file stays where it is.")


def image_closed_model_kept() -> str:
    """The image of a job is gone."""
    return "The image was closed while the job ran; the model is kept."


def open_to_restore(images: str) -> str:
    """Layers wait for their image."""
    return f"Open {images}: what was painted there then comes back."


def other_labels_now(version: int) -> str:
    """A version has other labels than are painted."""
    return (
        f"Version {version} has other labels than are painted now. If they are put back, what is painted now is kept "
        "as a version of its own first, and then replaced."
    )


def session_interrupted(when: str, held: str, *, training: bool) -> str:
    """An earlier session was not closed in order."""
    more = " A training was under way; it can continue." if training else ""
    return f"Your session of {when} was interrupted: {held}.{more}"


def training_interrupted(name: str) -> str:
    """A training of the restored session can continue."""
    return f"The training '{name}' was interrupted: 'Open run …' continues it."


def session_is_open_elsewhere() -> str:
    """Two windows want one session."""
    return "Another window has this session open, so this window continues in a copy of its own."


def result_of_another_image(image: str, n_cells: int) -> str:
    """A result came for an image that is not shown."""
    return f"'{image}' has a new result of {counted(n_cells, 'cell')}: select it to see them."


def edited_layer_kept(before: str, made: str) -> str:
    """An edited result is not overwritten."""
    return f"'{before}' was edited, so the new cells are in '{made}'."


def image_closed_nothing_shown() -> str:
    """The image of a drawing is gone."""
    return "The image was closed meanwhile, so there is nothing to show this next to."


def invented_cells(n: int) -> str:
    """What a drawn image shows, and what to do."""
    found = f"On the right: {counted(n, 'invented cell')}, outlined."
    return f"{found} If they look like yours, pairs are worth writing; if not, train for longer."


def move_tau(last: int) -> str:
    """How to look at an interpolation."""
    return f"Move the slider τ below the image: at 0 is the image, at {last} its mask."


def locked(layer: str) -> str:
    """A layer cannot be changed."""
    return f"'{layer}' cannot be changed: it is locked, or its pixels are not in memory."


def boxes_shown(boxes: str) -> str:
    """What the colours of boxes mean."""
    return f"{boxes}; yellow ones are certain, dark ones uncertain."


def press_for_boxes() -> str:
    """Many boxes are drawn on request."""
    return "Press again for the boxes of the new cells."


def choose_two_layers() -> str:
    """A layer cannot be scored against itself."""
    return "Choose two different Labels layers: the truth, and what is to be scored."


def choose_image_and_labels() -> str:
    """An export needs both."""
    return "Choose an image and labels first."


def another_job_runs() -> str:
    """One job at a time."""
    return "Another job is running: wait for it, or stop it."


def nothing_written() -> str:
    """No file was written."""
    return "Nothing was written."


def wrote(names: str, folder: str) -> str:
    """Which files were written, and where."""
    return f"Wrote {names} in {folder}."


def would_be_replaced(files: Sequence[str], folder: Path) -> str:
    """Files are there already."""
    return f"{', '.join(files)} {'is' if len(files) == 1 else 'are'} in {folder} already, and would be replaced."


def saved_again() -> str:
    """Autosave works again."""
    return "What you paint is saved again."


def open_an_image() -> str:
    """There is nothing to paint on."""
    return "Open an image first: drag it into the window, or File > Open Sample."


def paint_the_first_cell() -> str:
    """How painting begins."""
    return "Paint the first cell completely, then press N for the next one."


def draw_a_complete_region() -> str:
    """What a complete region is."""
    return "Draw a rectangle around a part in which every cell is painted; N continues painting."


def not_saved() -> str:
    """Autosave fails."""
    return "What you paint is not saved: see the top of the dock."


def make_an_annotation() -> str:
    """There is no layer to paint on."""
    return "Press 'New annotation' first."


def other_model_segments(bundle: str, used: str, chosen: str) -> str:
    """A model of another method is current."""
    return f"With '{bundle}', a model of {used}. Choose {chosen} again, or train it, to leave it."


def source_missing() -> str:
    """A comparison needs a source."""
    return "To compare pre-trainings, name a Source under Advanced options: annotated images, or 'shapes'."


def cells_to_validate_missing(fewest: int) -> str:
    """A comparison needs painted cells."""
    return f"To compare pre-trainings, paint at least {fewest} whole cells: some are held out for validation."


def trainings_by_steps(n: int, steps: int) -> str:
    """How long a comparison takes."""
    return f"{n} trainings of {steps} steps each."


def trainings_by_time(n: int, each: str, all_of_them: str) -> str:
    """How long a comparison takes."""
    return f"{n} trainings of {each} each: about {all_of_them}."


def no_model_yet() -> str:
    """Fields are ranked by a model."""
    return "There is no model yet: train one first, with or without labels."


def partly_known(share: float, unknown: int) -> str:
    """What a partly painted truth means for scores."""
    return (
        f"Only what is painted counts, {100 * share:.0f} % of the pixels; {counted(unknown, 'instance')} where nothing "
        "is painted cannot be scored."
    )


def versions_compared(first: int, second: int, f1: float) -> str:
    """What the divided view shows."""
    return (
        f"Left of the line version {first} (blue), right of it version {second} (orange). They agree with F1 {f1:.2f}; "
        "cells without a partner are pink."
    )


def painted_here() -> str:
    return "Painted here: 0 is unknown, 1 is background."
