"""What `core/model` says to a user: each sentence is a function of its values."""

from napari_cellseg_ssl.core.errors import WouldOverwrite, WrongRun


def run_is_newer(found: object, newest: object) -> WrongRun:
    return WrongRun(f"The run has format {found}; this version reads up to {newest}.", "Update napari-cellseg-ssl.")


def run_not_saved(folder: object, why: str) -> WrongRun:
    return WrongRun(f"The run cannot be saved in '{folder}': {why}.", "Choose another folder, or free some space.")


def not_a_run_folder(folder: object, run_file: object) -> WrongRun:
    return WrongRun(f"'{folder}' is not a run folder: it has no {run_file}.", "Choose the folder of a finished run.")


def run_unreadable(folder: object, why: str, hint: str) -> WrongRun:
    return WrongRun(f"'{folder}' cannot be read: {why}.", hint)


def run_does_not_fit(folder: object, problem: object) -> WrongRun:
    return WrongRun(f"The run in '{folder}' does not fit this version: {problem}")


def run_damaged(folder: object, problem: object) -> WrongRun:
    return WrongRun(f"The run in '{folder}' is damaged ({problem!r}).", "Use another run or train again.")


def folder_is_not_ours(file: object, program: object) -> WouldOverwrite:
    return WouldOverwrite(
        f"'{file}' was not written by {program}, so no run is written over it.", "Choose another folder."
    )


def folder_is_occupied(folder: object, found: object, method_id: object) -> WouldOverwrite:
    return WouldOverwrite(f"'{folder}' holds {found}, which '{method_id}' would replace.", "Choose another folder.")


def folder_is_in_use(folder: object) -> WrongRun:
    return WrongRun(
        f"Another training is writing into '{folder}'.", "Wait until it has ended, or choose another folder."
    )


def no_such_starter(wanted: object, names: str) -> WrongRun:
    return WrongRun(f"There is no starter model '{wanted}' in this version.", f"Those there are: {names}.")


def starter_damaged(weights: object, starter: object, state: str, names: str) -> WrongRun:
    return WrongRun(
        f"'{weights}' is not the file of the starter '{starter}': {state}.",
        f"Install napari-cellseg-ssl again. The starters of this version: {names}.",
    )


def weights_not_finite(file: object, name: str) -> WrongRun:
    return WrongRun(
        f"'{file}' holds numbers that are not finite, in '{name}'.", "Nothing can be done with it; use another run."
    )


def weights_unreadable(file: object, what: object, hint: str) -> WrongRun:
    return WrongRun(f"'{file}' cannot be read: {what}.", hint)
