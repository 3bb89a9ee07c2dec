"""What `core/nets` says to a user: each sentence is a function of its values."""

from napari_cellseg_ssl.core.errors import WrongOption, WrongRun


def weights_do_not_fit_detector(source: object, report: object) -> WrongOption:
    return WrongOption(f"'{source}' does not fit this detector. {report}", "Choose the weights of a Mask R-CNN.")


def weights_lack(problem: object) -> WrongOption:
    return WrongOption(f"The file has no tensor {problem}.", "Choose the weights of a Mask R-CNN.")


def wrong_anchors(n_anchors: int) -> WrongOption:
    return WrongOption(f"The file has {n_anchors} anchors per place.", "Choose a file with three.")


def unknown_detector(names: object) -> WrongRun:
    return WrongRun(f"This version knows no detector with {names}.", "Update napari-cellseg-ssl.")


def model_is_no_detector(model: object) -> WrongRun:
    return WrongRun(f"Model '{model}' is no detector.", "Start from a run of 'cupre', or from none.")


def other_backbone(model: object, backbone: object, encoder: str, hint: str) -> WrongRun:
    return WrongRun(f"Model '{model}' is a detector on {backbone}, this encoder is a {encoder}.", hint)


def other_norm(model: object, norm: object) -> WrongRun:
    return WrongRun(
        f"The backbone of model '{model}' is normalised by {norm}, this encoder by batch.",
        "Train a detector whose backbone is normalised by batch, or start from none.",
    )


def weights_incomplete(model: object, name: str, report: object) -> WrongRun:
    return WrongRun(f"Model '{model}' does not hold all weights of {name}. {report}", "Start from another run.")


def crops_too_small(patch: object, least: object) -> WrongOption:
    return WrongOption(
        f"Training crops of {patch} px are too small.", f"AD-GAN needs at least {least} px at its working scale."
    )


def not_efficientnet(file: object, example: str, hint: str) -> WrongOption:
    return WrongOption(f"'{file}' does not hold weights of EfficientNet-B5: it lacks '{example}'.", hint)


def efficientnet_tensor_differs(name: str, file: object, shape: object, hint: str) -> WrongOption:
    return WrongOption(f"'{name}' in '{file}' is of {shape}.", hint)


def efficientnet_shapes_differ(file: object, problem: object, hint: str) -> WrongOption:
    return WrongOption(f"The weights in '{file}' have other shapes: {problem}", hint)


def no_released_weights(name: str, hint: str) -> WrongOption:
    return WrongOption(f"No released weights are known for {name}.", hint)


def weights_of_another_network(file: object, name: str, report: object, hint: str) -> WrongOption:
    return WrongOption(f"'{file}' does not hold weights of {name}. {report}", hint)


def no_such_weight_file(file: object, hint: str) -> WrongOption:
    return WrongOption(f"There is no weight file '{file}'.", hint)


def weight_file_not_readable(file: object, why: str, hint: str) -> WrongOption:
    return WrongOption(f"The weight file '{file}' cannot be read: {why}.", hint)


def weight_file_cannot_be_read(file: object, problem: object, hint: str) -> WrongOption:
    return WrongOption(f"The weight file '{file}' cannot be read: {problem}", hint)


def weight_file_not_finite(file: object, name: str, hint: str) -> WrongOption:
    return WrongOption(f"The weight file '{file}' holds numbers that are not finite, in '{name}'.", hint)
