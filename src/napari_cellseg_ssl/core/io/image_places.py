"""Where the images are that a file of annotations names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from napari_cellseg_ssl.core.io import messages
from napari_cellseg_ssl.core.io.image_files import PICTURES


class ImagePlaces:
    """Files below folders: by their place, else by a name that only one has, else by such a name without suffix.

    Parameters
    ----------
    folders : sequence of Path
        The first one that has an image counts.

    Raises
    ------
    WrongImage
        If one of them is not there.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        for folder in folders:
            if not folder.is_dir():
                raise messages.no_such_folder(folder)
        self._places = [_Place(folder) for folder in folders]

    def find(self, name: str) -> Path | None:
        """Find an image, None where it is missing or its name is that of several."""
        return next((path for place in self._places if (path := place.find(name))), None)


class _Place:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _by_name(self) -> Mapping[str, list[Path]]:
        found: defaultdict[str, list[Path]] = defaultdict(list)
        for path in sorted(self._folder.rglob("*")):
            if path.suffix.lower() in PICTURES:
                found[path.name].append(path)
                found[path.stem].append(path)
        return found

    def find(self, name: str) -> Path | None:
        if (self._folder / name).is_file():
            return self._folder / name
        candidates = self._by_name.get(Path(name).name) or self._by_name.get(Path(name).stem, [])
        return candidates[0] if len(candidates) == 1 else None
