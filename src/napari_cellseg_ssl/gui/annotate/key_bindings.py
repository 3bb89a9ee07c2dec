"""What a key does on the layers of cells; the panels draw a button for each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from napari.components import ViewerModel
from napari.layers import Layer


@dataclass(frozen=True)
class Act:
    """One key, its button and what it does.

    Parameters
    ----------
    key : str
        As napari spells it.
    name : str
        Of the method that acts.
    points : bool
        Whether it acts on what is under the cursor.
    """

    key: str
    name: str
    title: str
    help: str
    points: bool = False

    @property
    def cap(self) -> str:
        """The key as it is written on a keyboard."""
        return self.key.replace("Shift-", "⇧")


def bind(layer: Layer, acts: Sequence[Act], functions: Mapping[str, Callable[[], None]]) -> None:
    """Bind the keys of some acts to one layer alone; `functions` are given by the names of the acts."""
    for act in acts:
        bind_key(layer, act.key, functions[act.name], act.name)


def bind_key(owner: ViewerModel | Layer, key: str, do: Callable[[], object], name: str) -> None:
    """Bind a key of the viewer, or of one layer, instead of what it was bound to there.

    Every key goes through here: at each key that is pressed, napari asks all functions that are bound for their names
    (0.9.2), and a callable without one, such as a partial, would end that before any key is heard.
    """

    def press(_owner: ViewerModel | Layer) -> None:
        do()

    press.__name__ = f"cellseg_{name}"
    owner.bind_key(key, press, overwrite=True)
