"""What `tasks` says to a user: each sentence is a function of its values."""

from napari_cellseg_ssl.core.errors import OutOfMemory, WrongAnnotation, WrongImage, WrongOption, WrongRun


def files_cannot_be_used(n_problems: int, n_files: int, said: str, more: str) -> WrongImage:
    return WrongImage(
        f"{n_problems} of {n_files} files cannot be used. {said}{more}", "Correct them, or leave them out."
    )


def wrong_diameter(wanted: float) -> WrongOption:
    return WrongOption(
        f"The object diameter is {wanted:g} px.", "Give the size of a typical object, at least 1 px, or 'auto'."
    )


def too_few_steps(steps: int) -> WrongOption:
    return WrongOption(f"{steps} steps do not lead from image to mask.", "Take 2 or more.")


def nothing_in_between(name: str, title: str) -> WrongRun:
    return WrongRun(f"Model '{name}' of {title} has nothing between image and mask.", "Choose a run of AD-GAN.")


def no_such_frame(image: str, n_frames: int, frame: int) -> WrongImage:
    return WrongImage(f"Image '{image}' has {n_frames} frames, there is none of index {frame}.")


def out_of_memory(job: str, hint: str) -> OutOfMemory:
    return OutOfMemory(f"{job} ran out of memory.", hint)


def file_damaged(file: object, problem: object) -> WrongRun:
    return WrongRun(f"{file} is damaged ({problem!r}).", "Use another run, or train again.")


def model_saved(folder: object) -> str:
    return f"Saved the model in {folder}."


def images_with_painting(n_found: int) -> str:
    return f"What is painted on {n_found} images counts."


def left_out(problem: object) -> str:
    return f"{problem} It is left out."


def maps_not_kept(problem: object) -> str:
    return f"{problem} Its maps are not kept, so the sliders need a new Segment."


def model_expects_channels(bundle: object, expected: object, image: str, n_channels: int) -> WrongImage:
    return WrongImage(
        f"Model '{bundle}' expects {expected} channel(s), but image '{image}' has {n_channels}.",
        "Choose the matching channels, or train a new model on this kind of image.",
    )


def model_expects_dimensions(bundle: object, ndim: int, image: str, hint: str) -> WrongImage:
    return WrongImage(
        f"Model '{bundle}' does not work on {ndim}D images such as '{image}'.", f"It was trained on {hint}"
    )


def maps_do_not_fit_into_memory(image: str, gigabytes: float) -> OutOfMemory:
    return OutOfMemory(
        f"Making the maps of '{image}' would take {gigabytes:.0f} GB of memory.",
        "Segment it without keeping the maps, or work on a part of it.",
    )


def labels_do_not_fit_into_memory(image: str, shape: object) -> OutOfMemory:
    return OutOfMemory(f"The labels of '{image}', {shape}, do not fit into memory.", "Write them to a file instead.")


def wrong_arms(said: str, choices: str) -> WrongOption:
    return WrongOption(said, f"Choose some of: {choices}.")


def too_few_to_validate(n_cells: int, fewest: int) -> WrongAnnotation:
    return WrongAnnotation(
        f"{n_cells} cells are painted, too few to hold some out for validation.",
        f"Paint at least {fewest} whole cells.",
    )


def wrong_time_budget(seconds: float) -> WrongOption:
    return WrongOption(f"The time budget is {seconds:g} s.", "Give seconds, more than 0.")


def no_preview(problem: object) -> str:
    return f"No preview: {problem}"


def nothing_to_resume_from() -> WrongRun:
    return WrongRun("There is no run folder to resume from.", "Say where the interrupted run is.")


def no_interrupted_training(folder: object) -> WrongRun:
    return WrongRun(
        f"'{folder}' holds no interrupted training.", "A finished run is continued by a new run that starts from it."
    )


def interrupted_other_method(folder: object, method: object, wanted: object) -> WrongRun:
    return WrongRun(
        f"'{folder}' holds an interrupted training of '{method}', not of '{wanted}'.", f"Resume it as '{method}'."
    )


def resumed_on_other_images(folder: object, images: object) -> WrongRun:
    return WrongRun(
        f"The training in '{folder}' was started on other images ({images}).",
        "Resume it with the same images, or start a new run that starts from this one.",
    )


def folder_unreadable(folder: object, why: str, hint: str) -> WrongRun:
    return WrongRun(f"'{folder}' cannot be read: {why}.", hint)


def checkpoint_damaged(file: object, problem: object) -> WrongRun:
    return WrongRun(f"'{file}' is damaged ({problem!r}).", "Train again.")


def checkpoint_does_not_fit(problem: object) -> WrongRun:
    return WrongRun(f"The interrupted training does not fit this version: {problem}")


def folder_not_writable(folder: object, why: str) -> WrongRun:
    return WrongRun(f"The folder '{folder}' cannot be written: {why}.", "Choose another folder.")


def training_not_saved(folder: object, why: str, kept: object, hint: str) -> WrongRun:
    return WrongRun(f"The training in '{folder}' cannot be saved: {why}. {kept}", hint)


def axes_required(ndim: int) -> WrongAnnotation:
    return WrongAnnotation(f"Labels with {ndim} axes have no meaning by themselves.", "Say the axes, such as TZYX.")


def labels_in_colour(path: object) -> WrongAnnotation:
    return WrongAnnotation(f"'{path}' is in colour.", "Choose label images: one whole number per pixel.")


def axes_differ(truth: object, has: object, other: object) -> WrongAnnotation:
    return WrongAnnotation(f"The truth '{truth}' has the axes {has}, the prediction {other}.", "Say what they are.")


def wrong_count(count: int) -> WrongOption:
    return WrongOption(f"{count} regions are asked for.", "Ask for 1 or more.")


def does_not_find_similar(method_id: object) -> WrongRun:
    return WrongRun(f"Models of '{method_id}' do not say which regions are similar.", "Choose a run of CUPre.")


def draws_no_masks(title: str) -> WrongOption:
    return WrongOption(f"{title} draws no masks.", "Choose a method that learns from drawn masks.")


def draws_no_images(bundle: object, title: str) -> WrongRun:
    return WrongRun(f"Model '{bundle}' of {title} cannot draw images.", "Choose a run of AD-GAN.")


def draws_other_dimensions(model: object, ndim: object, asked: int) -> WrongImage:
    return WrongImage(f"Model '{model}' draws {ndim}D images, not {asked}D ones.")


def shape_without_pixels(shape: object) -> WrongImage:
    return WrongImage(f"An image of shape {shape} has no pixels.", "Give the length of each side, px.")


def folder_not_made(folder: object, why: str) -> WrongAnnotation:
    return WrongAnnotation(f"The folder '{folder}' cannot be made: {why}.", "Choose another folder.")


def method_without_model(method_id: object) -> WrongRun:
    return WrongRun(f"The method '{method_id}' ended without a model.", "Please report this.")


def not_training_options(method: object, options: object) -> WrongOption:
    return WrongOption(f"These are not training options of '{method}': {options!r}.")


def does_not_learn_from_results(title: str) -> WrongOption:
    return WrongOption(f"{title} does not learn from what other methods found.", "Leave pseudo-labels out.")


def annotations_for_each_image(n_images: int, n_annotations: int) -> WrongOption:
    return WrongOption(f"{n_images} images but {n_annotations} annotations.", "Give one per image, or None.")


def cannot_start_from(title: str, start: object, method: object, choices: str) -> WrongRun:
    return WrongRun(
        f"{title} cannot start from '{start}', a model of '{method}'.", f"Choose {choices}, or start from nothing."
    )


def smaller_batch(sizes: object) -> str:
    return f"Not enough memory; continuing with a batch of {sizes}."


def continuing(step: int) -> str:
    return f"Continuing from step {step}, with the settings recorded then."


def nothing_to_tune_for() -> WrongAnnotation:
    return WrongAnnotation("No cell is painted, so there is no score to tune for.", "Paint some cells first.")


def loading_torch() -> str:
    return "Loading PyTorch …"


def certain_everywhere() -> str:
    return "This model is certain everywhere, or its method does not say."


def starter_suits() -> str:
    """A starter fits an image."""
    return "The starter suits this image."


def starter_may_not_suit(why: str) -> str:
    """A starter probably does not fit an image."""
    return f"The starter may not suit this image. {why}"


def stopped_before_validation() -> str:
    """No arm of a comparison was finished."""
    return "Stopped before one pre-training was validated."
