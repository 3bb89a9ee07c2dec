"""Pixels that stay in their file until they are asked for."""

from collections.abc import Iterator
from typing import Any

import numpy as np


class OnDemand:
    """A lazy array, for example dask's, that behaves like a loaded one: what an index selects is read, no more.

    Parameters
    ----------
    array
        Changes its layout without reading; `numpy.asarray` reads it.
    """

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(array.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[n] for n in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        return np.asarray(self._array[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self._array, dtype=dtype)

    def swapaxes(self, first: int, second: int) -> "OnDemand":
        """Exchange two axes."""
        return OnDemand(self._array.swapaxes(first, second))

    def reshape(self, *shape: int) -> "OnDemand":
        """Change the shape."""
        return OnDemand(self._array.reshape(*shape))


def is_lazy(array: Any) -> bool:
    """Whether pixels would have to be read or computed; memory-mapped arrays count as loaded."""
    return not isinstance(array, np.ndarray) and hasattr(array, "compute")
