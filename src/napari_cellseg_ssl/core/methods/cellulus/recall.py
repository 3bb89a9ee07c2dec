"""Remember intermediate results of the last images, so that a slider repeats only what it changes."""

import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from threading import Lock
from typing import TypeVar, cast

from napari_cellseg_ssl.core.data.images import Array

T = TypeVar("T")


class Recall:
    """Results that can be made again at any time, each for one array and one key.

    They are dropped when the array is gone, or when more than `size` newer ones have been asked for.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[tuple[Hashable, ...], object] = OrderedDict()
        self._owners: dict[int, weakref.ref[Array]] = {}
        self._lock = Lock()

    def get(self, owner: Array, key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
        """Return what `make` returned for this array object and key, calling it if needed."""
        full = (id(owner), *key)
        with self._lock:
            known = self._owners.get(id(owner))
            if known is not None and known() is owner and full in self._kept:
                self._kept.move_to_end(full)
                return cast(T, self._kept[full])
        result = make()
        with self._lock:
            known = self._owners.get(id(owner))
            if known is None or known() is not owner:
                self._forget(id(owner))
                self._owners[id(owner)] = weakref.ref(owner, partial(self._forget_gone, id(owner)))
            self._kept[full] = result
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return result

    def _forget_gone(self, owner: int, _: object) -> None:
        self._forget(owner)

    def _forget(self, owner: int) -> None:
        self._owners.pop(owner, None)
        for full in [full for full in list(self._kept) if full[0] == owner]:
            self._kept.pop(full, None)
