"""Sentences for the user: what is learned from, what will probably go wrong, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongImage, WrongOption, WrongRun
from napari_cellseg_ssl.core.methods.cupre.segment import CupreSegmentOptions
from napari_cellseg_ssl.core.training.frames import Frame
from napari_cellseg_ssl.core.training.held_out import FEWEST_CELLS, Judged, Score

FEWEST_TILES = 64
TOO_EASY, NOT_LEARNING = 0.99, 0.98
LITTLE_DRIFT, MUCH_DRIFT = 0.001, 0.3
POOR = 0.3
HARDLY_LEARNED = "Hardly any cell is found: train longer, or begin with a model that was pre-trained on a source."
STEADY = 20
"""Painted cells from which on results hardly depend on which ones they are."""


def before_pretraining(beginning: str, source: str, tiles: int | None, others: int) -> tuple[str, ...]:
    """Say what is learned from.

    Parameters
    ----------
    beginning, source : str
        What the network begins with, and what the source is; "" where there is nothing to say.
    tiles, others : int
        Distinct tiles of the images, None where they are not needed, and from how many each is told apart.

    Raises
    ------
    WrongImage
        If images without labels are to be learned from, and show one thing only.
    """
    texts = [beginning] if beginning else []
    if source:
        texts.append(f"Source: {source}")
    else:
        texts.append(
            "Without a source the network learns what your images look like, not what objects are: it finds none "
            "before it is fine-tuned, and the paper's gain comes mostly from the source."
        )
    if tiles is not None:
        if tiles < 2:
            raise WrongImage(
                "The images show one thing only, so there is nothing to tell it apart from.", "Add images."
            )
        texts.append(f"{tiles} tiles are told apart, each from {others} others.")
        if tiles < FEWEST_TILES:
            texts.append(
                f"Fewer than {FEWEST_TILES} distinct tiles: contrastive learning has too few negatives; add images, or "
                "go on without it."
            )
    return tuple(texts)


def on_contrast(recent: Callable[[str], float]) -> Iterator[str]:
    """Say after some steps what looks wrong."""
    if recent("accuracy") > TOO_EASY:
        yield (
            f"{recent('accuracy'):.0%} of the views are recognised already: they are too easy, or something other "
            "than their content gives them away."
        )
    if recent("contrast") > NOT_LEARNING * recent("chance"):
        yield (
            f"The loss {recent('contrast'):.2f} is still that of chance, {recent('chance'):.2f}: try another "
            "learning rate or temperature."
        )


def on_drift(drifts: Sequence[float]) -> tuple[str, ...]:
    """Say how far the source moved the backbone in one iteration, and whether that is much or little."""
    if not drifts:
        return ()
    largest = max(drifts)
    text = f"The source moved the backbone by {largest:.1%} at most in one iteration"
    if largest < LITTLE_DRIFT:
        return (f"{text}: it is held too strongly to learn.",)
    return (f"{text}: much of what it learned without labels is forgotten." if largest > MUCH_DRIFT else f"{text}.",)


def before_fine_tuning(
    beginning: str, frames: Sequence[Frame], judged: Sequence[Judged], *, n_cells: int, is_held: bool
) -> tuple[str, ...]:
    """Say what is painted, what would help, and what the detector begins with.

    Parameters
    ----------
    is_held : bool
        Whether the backbone is held near where it was.
    """
    painted = [frame for frame in frames if frame.has_labels]
    texts = [beginning] if beginning else []
    if judged:
        held = sum(one.n_cells for one in judged)
        texts.append(f"{n_cells} annotated cells; {held} of them are held out for validation.")
    else:
        texts.append(
            f"Only {n_cells} annotated cell(s): nothing is held out for validation, and the least score is the usual "
            f"one. From {FEWEST_CELLS} cells on it is searched."
        )
    if n_cells < STEADY:
        texts.append(f"Fewer than {STEADY} cells are annotated, so the result depends on which ones they are.")
    if not any((frame.known & (frame.cells == 0)).any() for frame in painted):
        texts.append("No background is annotated, so other things may be found as well. Paint some with id 1.")
    if is_held:
        texts.append("The backbone is held near where it was, since few cells are painted.")
    return tuple(texts)


def after_fine_tuning(held_out: Score | None, tuned: Score | None, options: CupreSegmentOptions) -> tuple[str, ...]:
    """Say how good it is, and with which least score."""
    if held_out is None or tuned is None:
        return (f"The least score is the usual one, {options.score:g}.",)
    texts = (
        f"F1 {held_out.f1:.2f} on {held_out.n_cells} held-out cells.",
        f"Least score searched on {tuned.n_cells} annotated cells: {options.score:g} (F1 {tuned.f1:.2f}).",
    )
    return (*texts, HARDLY_LEARNED) if tuned.f1 < POOR else texts


def reading_source() -> str:
    return "Reading the source."


def no_such_set(path: object) -> WrongOption:
    return WrongOption(f"There is no annotated set '{path}'.", "Check the path of the source.")


def nothing_annotated(path: object, images: object, labels: object) -> WrongOption:
    return WrongOption(
        f"'{path}' holds neither a JSON file nor the folders '{images}' and '{labels}'.",
        "Choose a folder that holds an annotated set.",
    )


def several_json_files(path: object, n_files: int, names: str) -> WrongOption:
    return WrongOption(f"'{path}' holds {n_files} JSON files: {names}.", "Choose one of them.")


def no_masks(file: object) -> WrongAnnotation:
    return WrongAnnotation(f"'{file}' has no masks.", "Choose annotations with segmentations.")


def no_image_of_set(n_missing: int, file: object, names: str, images: object) -> WrongImage:
    return WrongImage(
        f"None of the {n_missing} images of '{file}' is there: {names}.",
        f"Put them next to the file, or into a folder '{images}' beside it.",
    )


def folder_without_images(folder: object) -> WrongImage:
    return WrongImage(f"'{folder}' holds no TIFF, PNG or JPEG.", "Put the images there.")


def folder_without_labels(folder: object) -> WrongAnnotation:
    return WrongAnnotation(f"'{folder}' holds no TIFF or PNG.", "Put a label image for each image there.")


def files_without_partner(n_alone: int, folder: object, names: str) -> WrongAnnotation:
    return WrongAnnotation(
        f"{n_alone} files in '{folder}' are without a partner: {names}.",
        "Name each label image like its image, and take the others away.",
    )


def source_is_a_volume(path: object) -> WrongImage:
    return WrongImage(
        f"'{path}' is a volume, and the source has to be of images.", "Take its slices as frames: axes TYX."
    )


def wrong_number_of_frames(file: object, n_frames: int, frame: int) -> WrongImage:
    return WrongImage(
        f"'{file}' has {n_frames} frames, and number {frame} (from 0) is annotated.",
        "Choose the image that the annotations are of.",
    )


def wrong_size(file: object, shape: object, annotated: object) -> WrongImage:
    return WrongImage(
        f"'{file}' is of {shape} px (Y, X), its annotations are of {annotated}.",
        "Choose the image that the annotations are of.",
    )


def not_a_json_file(path: object) -> WrongOption:
    return WrongOption(f"'{path}' is no JSON file.", "Choose a COCO file, or a folder of images and labels.")


def names_twice(other: object, path: object) -> WrongAnnotation:
    return WrongAnnotation(f"'{other}' and '{path}' have the same name.", "Take one of them away.")


def source_missing(hint: str) -> WrongOption:
    return WrongOption("There is no source to pre-train on.", hint)


def contrast_share_zero() -> WrongOption:
    return WrongOption(
        "With an unlabelled share of 0, CUPre is the source alone.", "Give a share between 0 and 1, or leave it out."
    )


def no_such_place(place: object, image: str, n_frames: int, shape: object) -> WrongImage:
    return WrongImage(
        f"There is no place {place} in image '{image}' of {n_frames} frame(s) of {shape} px.",
        "Give frame, row and column, each from 0.",
    )


def checkpoint_without_detector() -> WrongRun:
    return WrongRun("The checkpoint does not say which detector it is of.", "Start the training again.")


def start_has_other_channels(start: object, expected: object, n_channels: int) -> WrongRun:
    return WrongRun(
        f"Model '{start}' has {expected} channel(s), these images {n_channels}.",
        "Choose images of the same kind, or start from no model.",
    )


def not_a_detector(found: object) -> WrongRun:
    return WrongRun(f"The model is a '{found}', not a detector.", "Train one with method 'cupre'.")


def source_has_other_channels(image: str, n_channels: int, expected: object) -> WrongImage:
    return WrongImage(
        f"'{image}' of the source has {n_channels} channels, the images to learn from have {expected}.",
        "Choose a source in grey, or one with as many channels.",
    )


def no_source(shapes: object) -> WrongOption:
    return WrongOption(
        "No annotated source is given.", f"Say '{shapes}', a COCO file, or a folder of images and labels."
    )


def no_object_annotated(n_images: int, name: str) -> WrongAnnotation:
    return WrongAnnotation(f"No object is annotated in {n_images} images of {name}.", "Choose another source.")
