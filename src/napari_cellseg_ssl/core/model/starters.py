"""Starter models: small trained models that come with the package, found by name and checked; no torch.

Each is a run folder in `starters/NAME` beside the package's modules, with two files more: `starter.json`, from which
the registry is read, and `card.md`, which says what the model was made of and what it is not for. There is no module
`napari_cellseg_ssl.starters`, since `cs.starters` is the function below.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.io.records import hash_of
from napari_cellseg_ssl.core.model import messages
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.downloads import fetch
from napari_cellseg_ssl.core.model.run_files import WEIGHTS_FILE

PREFIX = "starter:"
FOLDER = Path(__file__).parents[2] / "starters"
STARTER_FILE, CARD_FILE = "starter.json", "card.md"


@dataclass(frozen=True, kw_only=True)
class Starter:
    """A trained model that can be used, or trained on from, by its name.

    Parameters
    ----------
    sha256 : str
        Of the file with the weights.
    size : int, bytes
        Of that file.
    use : str
        What it is for, in a sentence.
    sets : tuple of str
        Public sets of images that it was trained on.
    scores : {set: F1}
        Zero-shot, as its card says.
    url : str
        Where the weights are downloaded from when they are first asked for; empty where they come with the package.
    offered : bool
        Whether a first result is offered by it; not where another starter finds the same cells better.
    """

    name: str
    title: str
    method_id: str
    sha256: str
    size: int
    use: str
    sets: tuple[str, ...]
    scores: Mapping[str, float] = field(default_factory=dict)
    url: str = ""
    offered: bool = True

    @property
    def folder(self) -> Path:
        """Folder of its files."""
        return FOLDER / self.name

    @property
    def card_file(self) -> Path:
        """File that says what it was made of, how it was trained, how good it is and what it is not for, Markdown."""
        return self.folder / CARD_FILE


@cache
def starters() -> tuple[Starter, ...]:
    """Describe the starter models there are, those made from the fewest kinds of images first."""
    records = [json.loads(file.read_text(encoding="utf-8")) for file in FOLDER.glob(f"*/{STARTER_FILE}")]
    found = (Starter(**{**record, "sets": tuple(record["sets"])}) for record in records)
    return tuple(sorted(found, key=lambda one: (len(one.sets), one.name)))


def find_starter(name: str) -> Starter:
    """Return a starter by its name, with or without the prefix.

    Raises
    ------
    WrongRun
        If there is none of this name.
    """
    wanted = name.removeprefix(PREFIX)
    for starter in starters():
        if starter.name == wanted:
            return starter
    names = ", ".join(PREFIX + starter.name for starter in starters())
    raise messages.no_such_starter(wanted, names)


def is_starter(bundle: ModelBundle) -> bool:
    """Whether a model is a starter, not one that somebody trained."""
    return bundle.name.startswith(PREFIX)


def default_start(method_id: str) -> str:
    """Return what a training begins with if nobody says: "auto", where the method has starters, or "none"."""
    return "auto" if any(one.method_id == method_id for one in starters()) else "none"


def load_starter(name: str) -> ModelBundle:
    """Read a starter, checked by its hash.

    Raises
    ------
    WrongRun
        If there is none of this name, or its file is missing, damaged or not the one that was released.
    """
    starter = find_starter(name)
    if starter.url:
        hint = "Connect this machine to the internet, or choose a starter that comes with the package."
        weights = fetch(
            starter.url, starter.sha256, _cache(), what=f"starter '{starter.name}'", hint=hint, error=WrongRun
        )
        return load_folder(starter.folder, weights)
    weights = starter.folder / WEIGHTS_FILE
    found = hash_of(weights) if weights.exists() else ""
    if found != starter.sha256:
        names = ", ".join(PREFIX + one.name for one in starters())
        state = f"its hash begins with {found[:8]}, not {starter.sha256[:8]}" if found else "it is missing"
        raise messages.starter_damaged(weights, starter.name, state, names)
    return load_folder(starter.folder)


def load_folder(folder: Path, weights: Path | None = None) -> ModelBundle:
    """Read a starter's folder without checking it; what is stored in half precision becomes float32."""
    bundle = ModelBundle.load(folder, weights)
    whole = {name: a.astype(np.float32) if a.dtype == np.float16 else a for name, a in bundle.weights.items()}
    return replace(bundle, weights=whole)


def _cache() -> Path:
    """Return where downloaded weights are kept."""
    return user_cache_path("napari-cellseg-ssl", appauthor=False) / "starters"
