"""Pixels that stay in their file until they are asked for."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.io.decoding import decoding


class OnDemand:
    """A lazy array, for example dask's, that behaves like a loaded one: what an index selects is read, no more.

    Parameters
    ----------
    array
        Changes its layout without reading; `numpy.asarray` reads it.
    name : str
        Of the image, for what is said if it cannot be read.
    """

    def __init__(self, array: Any, name: str = "image") -> None:
        self._array, self._name = array, name
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(array.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[n] for n in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        part = self._array[index]
        with decoding(self._name):
            return np.asarray(part)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        with decoding(self._name):
            return np.asarray(self._array, dtype=dtype)

    def swapaxes(self, first: int, second: int) -> "OnDemand":
        """Exchange two axes."""
        return OnDemand(self._array.swapaxes(first, second), self._name)

    def reshape(self, *shape: int) -> "OnDemand":
        """Change the shape."""
        return OnDemand(self._array.reshape(*shape), self._name)


def is_lazy(array: Any) -> bool:
    """Whether pixels would have to be read or computed; memory-mapped arrays count as loaded."""
    return not isinstance(array, np.ndarray) and hasattr(array, "compute")
