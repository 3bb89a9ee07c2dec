"""The versions of a session: every model that was learned, opened or tuned, with the labels of that moment.

A version is a run folder, so that it opens everywhere, with the painted layers and a record beside it. Whether it
comes back as it was is checked by hashes of the weights and of every painted layer.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np

from napari_cellseg_ssl.core.data.annotations import BACKGROUND_ID
from napari_cellseg_ssl.core.errors import reason
from napari_cellseg_ssl.core.io.complete_files import write_text
from napari_cellseg_ssl.core.io.records import DAMAGES, hash_of, read_table, require_kinds
from napari_cellseg_ssl.core.metrics.matching import compact_ids
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_files import CHECKPOINT_FILE, RUN_FILE, WEIGHTS_FILE
from napari_cellseg_ssl.core.model.starters import is_starter
from napari_cellseg_ssl.tasks.session import messages
from napari_cellseg_ssl.tasks.session.saved_layers import ANNOTATION, KeptLayer, load_layers, save_layer

VERSION_FILE, LABELS_FOLDER = "version.json", "labels"

KINDS: Mapping[str, type | tuple[type, ...]] = {
    "when": str,
    "origin": str,
    "name": str,
    "method_id": str,
    "n_cells": int,
    "score": (int, float, type(None)),
    "weights": str,
    "labels": dict,
}
"""Types of the entries of a version's record."""

Origin = Literal["learned", "opened", "tuned", "kept"]


@dataclass(frozen=True, kw_only=True)
class Version:
    """One entry of the list of versions; holds no weights and no pixels.

    Parameters
    ----------
    folder : Path
    number : int
        From 1, in order of time.
    when : str
        ISO date and time.
    origin : str
        What made it; "kept" is what was painted when another version was brought back.
    score : float, optional
        F1 on painted cells that were held out from learning; None where the method gives none, or too few are painted,
        and of a starter, whose cells are somebody else's.
    weights : str
        SHA-256 of the weight file.
    labels : {key: SHA-256}
        Painted layers.
    """

    folder: Path
    number: int
    when: str
    origin: Origin
    name: str
    method_id: str
    n_cells: int
    score: float | None
    weights: str
    labels: Mapping[str, str]


def next_folder(room: Path, method_id: str) -> Path:
    """Name the folder of the next version of a session; nothing is made yet."""
    numbers = [_number(folder) for folder in _folders(room)]
    return room / f"{max(numbers, default=0) + 1:03d} {method_id}"


def add_version(
    folder: Path, bundle: ModelBundle, labels: Sequence[KeptLayer], origin: Origin, parent: Version | None = None
) -> Version:
    """Keep a model and what is painted; a model that is in the folder already is not written again.

    Parameters
    ----------
    folder : Path
        From `next_folder`.
    parent : Version, optional
        A version with the same weights: its file is shared instead of being written once more.

    Raises
    ------
    WrongRun, WrongAnnotation
        If the folder cannot be written.
    """
    if not (folder / RUN_FILE).exists():
        bundle.save(folder)
        if parent is not None:
            _share_weights(folder, parent)
    for layer in labels:
        save_layer(folder / LABELS_FOLDER, layer)
    version = Version(
        folder=folder,
        number=_number(folder),
        when=datetime.now().isoformat(timespec="seconds"),
        origin=origin,
        name=bundle.name,
        method_id=bundle.method_id,
        n_cells=sum(count_cells(layer) for layer in labels),
        score=None if is_starter(bundle) else bundle.provenance.scores.get("f1"),
        weights=hash_of(folder / WEIGHTS_FILE),
        labels={layer.key: layer.hash for layer in labels},
    )
    record = {**asdict(version), "labels": dict(version.labels)}
    del record["folder"], record["number"]
    try:
        write_text(folder / VERSION_FILE, json.dumps(record, indent=2))
    except OSError as problem:
        raise messages.version_not_kept(folder, reason(problem)) from problem
    return version


def list_versions(room: Path) -> tuple[Version, ...]:
    """List the versions in a folder, oldest first; one that cannot be read is left out."""
    found = []
    for folder in _folders(room):
        try:
            record = read_table(folder / VERSION_FILE)
            require_kinds(record, KINDS)
            datetime.fromisoformat(record["when"])
            found.append(Version(folder=folder, number=_number(folder), **record))
        except (OSError, *DAMAGES):
            continue
    return tuple(found)


def load_version(version: Version) -> tuple[ModelBundle, tuple[KeptLayer, ...]]:
    """Read a version and check that weights and labels are, bit for bit, those that were kept.

    Raises
    ------
    WrongRun
        If they are not, or the version is gone.
    """
    file = version.folder / WEIGHTS_FILE
    if not file.exists() or hash_of(file) != version.weights:
        raise messages.version_weights_changed(version.number)
    layers = load_layers(version.folder / LABELS_FOLDER)
    if {layer.key: layer.hash for layer in layers} != dict(version.labels):
        raise messages.version_labels_changed(version.number)
    return ModelBundle.load(version.folder), layers


def labels_beside(folder: Path) -> tuple[KeptLayer, ...]:
    """Read the painted layers that were kept with a run; none where it is only a run."""
    return load_layers(folder / LABELS_FOLDER)


def interrupted(room: Path) -> Path | None:
    """Return the newest training of a session that never ended, if there is one."""
    files = [folder / CHECKPOINT_FILE for folder in _folders(room) if not (folder / RUN_FILE).exists()]
    files = [file for file in files if file.exists()]
    return max(files, key=lambda file: file.stat().st_mtime).parent if files else None


def count_cells(layer: KeptLayer) -> int:
    """Count the painted cells of a layer, per frame."""
    if layer.kind != "labels":
        return 0
    first = BACKGROUND_ID + 1 if layer.settings.get("kind") == ANNOTATION else 1
    frames = layer.arrays[0].reshape(-1, *layer.arrays[0].shape[-2:])
    return sum(int(np.count_nonzero(compact_ids(frame)[1] >= first)) for frame in frames)


def _folders(room: Path) -> list[Path]:
    found = (folder for folder in room.glob("[0-9][0-9][0-9]*") if folder.is_dir())
    return sorted((folder for folder in found if re.match(r"[0-9]+( |$)", folder.name)), key=_number)


def _number(folder: Path) -> int:
    return int(folder.name.split(maxsplit=1)[0])


def _share_weights(folder: Path, parent: Version) -> None:
    """Let two versions of the same weights share one file, where the disk can."""
    file, twin = folder / WEIGHTS_FILE, parent.folder / WEIGHTS_FILE
    if not twin.exists() or hash_of(file) != hash_of(twin):
        return
    shared = file.with_name(f".{file.name}.shared")
    try:
        os.link(twin, shared)
    except OSError:
        return  # a file system without links: the copy stays
    os.replace(shared, file)
