"""What a key does on the layers of cells; the panels draw a button for each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
        layer.bind_key(act.key, lambda _layer, act=act: functions[act.name](), overwrite=True)
