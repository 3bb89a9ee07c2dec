"""What `core/io` says to a user: each sentence is a function of its values."""

from collections.abc import Sequence

from napari_cellseg_ssl.core.errors import OutOfMemory, WouldOverwrite, WrongAnnotation, WrongImage, WrongOption
from napari_cellseg_ssl.core.wording import listed


def mask_of_another_shape(called: object, n: int, image: str, has: object, shape: object) -> WrongAnnotation:
    return WrongAnnotation(
        f"{called} {n} of '{image}' has the shape {has}, the image {shape}.",
        "Choose annotations that belong to the image.",
    )


def mask_cannot_be_decoded(called: object, n: int, image: str, why: object) -> WrongAnnotation:
    return WrongAnnotation(f"{called} {n} of '{image}' cannot be decoded: {why}.", "Is the file complete?")


def results_without_images(file: object) -> WrongAnnotation:
    return WrongAnnotation(f"'{file}' holds a list, not an annotated set.", "Results need their images too.")


def boxes_without_masks(file: object) -> WrongAnnotation:
    return WrongAnnotation(f"'{file}' has boxes but no masks.", "Choose annotations with segmentations.")


def images_missing(n_missing: int, n_records: int, folder: object, example: str) -> WrongImage:
    return WrongImage(
        f"{n_missing} of {n_records} images are not in '{folder}', for example '{example}'.",
        "Choose the folder that holds them.",
    )


def not_coco(file: object, problem: object) -> WrongAnnotation:
    return WrongAnnotation(
        f"'{file}' is not in the format of COCO ({problem!r}).",
        "It needs 'images' with id, file_name, height and width, and 'annotations' with image_id and segmentation.",
    )


def no_such_coco_file(file: object) -> WrongAnnotation:
    return WrongAnnotation(f"There is no file '{file}'.", "Choose the JSON file of the annotations.")


def not_json(file: object, problem: object) -> WrongAnnotation:
    return WrongAnnotation(f"'{file}' cannot be read as JSON: {problem}.", "Is the file complete?")


def annotation_of_unknown_image(file: object, image: object) -> WrongAnnotation:
    return WrongAnnotation(
        f"'{file}' has an annotation of image {image}, which it does not list.", "Is the file complete?"
    )


def wrong_coco_image(file: object, image: object, problem: object) -> WrongAnnotation:
    return WrongAnnotation(f"'{file}' describes image {image} wrongly: {problem}.", "Write its size in px.")


def annotation_outside_its_image(
    annotation: object, file: object, image: str, width: object, height: object, problem: object
) -> WrongAnnotation:
    return WrongAnnotation(
        f"Annotation {annotation} in '{file}' does not belong to its image '{image}' of {width} x {height} "
        f"px: {problem}.",
        "Write corners in px of this image, or leave the annotation out.",
    )


def coco_needs_planes() -> WrongOption:
    return WrongOption("COCO masks lie in a plane; these labels are volumes.", "Leave COCO out.")


def too_large_for_coco(image: str, width: object, height: object, most: int) -> WrongOption:
    return WrongOption(f"'{image}' has {width} x {height} px; COCO masks have at most {most} px.", "Leave COCO out.")


def cannot_be_read(source: object, what: object, text: object, hint: str) -> WrongImage:
    return WrongImage(f"'{source}' cannot be read{what}: {text}.", hint)


def labels_of_another_shape(labels: object, shape: object, image: str, expected: object) -> WrongAnnotation:
    return WrongAnnotation(
        f"The labels '{labels}' have the shape {shape}, image '{image}' has {expected}.",
        "Choose the labels that belong to this image, one whole number per pixel.",
    )


def file_too_large(path: object) -> OutOfMemory:
    return OutOfMemory(f"'{path}' does not fit into memory.", "Close other programs, or use a part of it.")


def no_such_folder(folder: object) -> WrongImage:
    return WrongImage(f"There is no folder '{folder}'.", "Choose the folder of the images.")


def not_ours(file: object, program: object) -> WouldOverwrite:
    return WouldOverwrite(
        f"'{file}' was not written by {program}, or was changed since, so it is not replaced.",
        "Move it, or choose another place.",
    )


def images_in_several_folders(label: object, folders: object) -> WrongAnnotation:
    return WrongAnnotation(
        f"The labels '{label}' could belong to images in {folders}.",
        "Name the folders of labels like those of their images, or take one folder at a time.",
    )


def two_label_files(other: object, label: object, image: str) -> WrongAnnotation:
    return WrongAnnotation(f"Both '{other}' and '{label}' could belong to image '{image}'.", "Remove one.")


def rois_need_planes() -> WrongOption:
    return WrongOption("ImageJ ROIs are outlines in a plane; these labels are volumes.", "Leave the ROIs out.")


def tiff_moved(file: object, problem: object) -> WrongImage:
    return WrongImage(f"'{file}' cannot be read: {problem}.", "Was it moved or changed?")


def no_labels_match(label: str, image: str) -> WrongAnnotation:
    return WrongAnnotation(
        f"No label file belongs to an image: labels such as '{label}', images such as '{image}'.",
        "Name each label file like its image.",
    )


def labels_are_the_images(what: object, example: str) -> WrongAnnotation:
    return WrongAnnotation(
        f"Among the {what} are only the images themselves, '{example}' for example.",
        "Put the labels into a folder of their own, or name them like their images with '_labels' after it.",
    )


def folder_holds_no_images(path: object) -> WrongImage:
    return WrongImage(f"The folder '{path}' holds no TIFF, PNG, JPEG or OME-Zarr.", "Choose another folder.")


def no_such_path(path: object) -> WrongImage:
    return WrongImage(f"'{path}' does not exist.", "Check the path.")


def unknown_format(path: object) -> WrongImage:
    return WrongImage(f"'{path}' is not a TIFF, PNG, JPEG or OME-Zarr.", "Convert it, or choose another file.")


def zarr_not_installed(path: object) -> WrongImage:
    return WrongImage(
        f"'{path}' is an OME-Zarr, and zarr is not installed.", "Install it: pip install 'napari-cellseg-ssl[zarr]'."
    )


def more_images(file: str, n_images: int, shape: tuple[int, ...]) -> str:
    size = " × ".join(map(str, shape))
    return f"'{file}' holds {n_images} images (series); only the first, of {size} px, is used."


def images_inside(file: str, paths: Sequence[str]) -> str:
    return f"'{file}' holds {len(paths)} images; '{paths[0]}' is used. For another, name its path: {listed(paths[1:])}."


def axes_guessed(file: str, shape: tuple[int, ...], axes: str) -> str:
    size = " × ".join(map(str, shape))
    return f"'{file}' does not say what its axes are: {size} is taken as {axes} (T: frames). If not, say the axes."


def not_read(files: Sequence[str]) -> str:
    return f"Not used, of another format: {listed(files)}. Convert them to TIFF, for example with Fiji."
