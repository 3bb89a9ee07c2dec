"""What painting, accepting and correcting cells answer."""


def proposals_are_the_annotation(layer: str) -> str:
    """Cells cannot be copied onto themselves."""
    return f"'{layer}' is what you paint on: choose another layer in 'Proposals from'."


def proposals_of_another_size(layer: str, theirs: str, ours: str) -> str:
    """Proposals do not fit the annotation."""
    return f"'{layer}' has {theirs}, but the annotation {ours}: choose another layer."


def proposals_elsewhere(layer: str) -> str:
    """Proposals have another place than the annotation."""
    return f"'{layer}' does not lie over the annotation: give it the same scale and position."


def no_proposals() -> str:
    """There is nothing to accept."""
    return "There are no proposed instances yet: segment the image first, or choose a layer in 'Proposals from'."


def nothing_painted() -> str:
    """What to paint first."""
    return "Nothing painted yet: paint some whole cells and some background."


def cells_missing(painted: str, fewest: int) -> str:
    """Too few cells are painted."""
    return f"{painted}; paint at least {fewest} whole cells"


def background_missing(painted: str) -> str:
    """No background is painted."""
    return f"{painted}; paint some background too"


def enough_painted(painted: str) -> str:
    """A training can begin."""
    return f"{painted}; enough to train"


def no_cells_to_correct() -> str:
    """There is nothing to correct."""
    return "There are no cells to correct yet: segment the image, or paint."


def correct_in_2d() -> str:
    """Corrections need a plane."""
    return "Show the image in 2D first: corrections need a frame."


def line_crosses_nothing() -> str:
    """A line meets no cell."""
    return "The line crosses no cell."


def no_id_left(layer: str) -> str:
    """The type of a layer holds no further id."""
    return f"'{layer}' has no id left: convert its type in the context menu of the layer list."


def line_does_not_cut(cell: int) -> str:
    """A line ends within a cell."""
    return f"The line does not cut cell {cell} in two: draw it from one side to the other."


def was_split(cell: int, layer: str, n_parts: int) -> str:
    """A cell is in parts now."""
    return f"Split cell {cell} of '{layer}' in {n_parts}."


def line_needs_two_cells() -> str:
    """A line meets one cell only."""
    return "The line has to go through two cells at least."


def were_merged(n: int, layer: str) -> str:
    """Cells are one now."""
    return f"Merged {n} cells of '{layer}'."


def nothing_left(cell: int) -> str:
    """A cell would vanish."""
    return f"Nothing would be left of cell {cell}: delete it with D."


def was_changed(verb: str, cell: int, layer: str) -> str:
    """A cell was corrected."""
    return f"{verb} cell {cell} of '{layer}'."


def point_at_a_cell() -> str:
    """The cursor is over no cell."""
    return "Point at a cell."


def can_be_undone(sentence: str) -> str:
    """How to take a correction back."""
    return f"{sentence} Ctrl+Z takes it back."


def painting_cell(cell: int, finished: int = 0) -> str:
    """Which cell the brush paints, and what to do with the one before."""
    return f"Painting cell {cell}." + (f" Press O for a ring of background around cell {finished}." if finished else "")


def painting_background() -> str:
    """The brush paints background."""
    return "Painting background."


def paint_or_point_first() -> str:
    """A ring needs a cell."""
    return "Paint a cell first, or point at one."


def ring_painted(cell: int) -> str:
    """Background surrounds a cell."""
    return f"Painted a ring of background around cell {cell}."


def painted_already() -> str:
    """A proposed cell is painted."""
    return "This cell is painted already."


def accepted(cell: int) -> str:
    """A proposed cell is painted now."""
    return f"Accepted as cell {cell}."


def rejected() -> str:
    """A proposed cell is background now."""
    return "Rejected: painted as background."


def accepted_all(n: int) -> str:
    """Proposed cells are painted now."""
    return f"Accepted {n} cells."


def point_at_a_proposal() -> str:
    """The cursor is over no proposed instance."""
    return "Point at a proposed instance."
