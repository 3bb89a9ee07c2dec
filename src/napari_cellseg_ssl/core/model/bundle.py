"""A trained model with everything needed to use, judge and repeat it: the run folder."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.errors import CellSegError, WrongRun, how_to_read, reason
from napari_cellseg_ssl.core.io.complete_files import complete_files
from napari_cellseg_ssl.core.io.records import DAMAGES
from napari_cellseg_ssl.core.methods.registry import method_module
from napari_cellseg_ssl.core.model import messages
from napari_cellseg_ssl.core.model.run_files import HISTORY_FILE, RUN_FILE, WEIGHTS_FILE, read_history, write_rows
from napari_cellseg_ssl.core.model.run_folder import require_own_run
from napari_cellseg_ssl.core.model.weights_file import load_arrays, write_arrays
from napari_cellseg_ssl.core.options import Json, options_from_json, options_to_json

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a model comes from."""

    seed: int = 0
    device: str = "cpu"
    steps: int = 0
    seconds: float = 0.0
    reason: str = ""
    preset: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    """Image name -> hash of its pixels."""
    parent: str = ""
    """Id of the model this one was started from."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """"f1" is that of this model on painted cells that were held out from learning, where there are any."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelBundle:
    """A model: weights, and the settings without which weights mean nothing.

    Parameters
    ----------
    train_options, segment_options
        Records of the method's option classes; `segment_options` are the defaults for this model, calibrated at
        the end of training where the method can.
    architecture : {str: Json}
        At least "tag", "in_channels", "spatial_ndim"; enough to build the network again.
    object_diameter : float or "auto"
        In source px for every image, or estimated for each.
    weights : {name: array}
    history : sequence of {column: number}
        One row per recorded step.
    """

    name: str
    method_id: str
    train_options: Any
    segment_options: Any
    architecture: Mapping[str, Json]
    intensity: Intensity = field(default_factory=Intensity)
    object_diameter: float | Literal["auto"] = "auto"
    weights: Mapping[str, Array]
    provenance: Provenance = field(default_factory=Provenance)
    history: tuple[Mapping[str, float], ...] = ()

    @cached_property
    def id(self) -> str:
        """Hash of method, options and weights: two bundles with the same id predict the same."""
        settings = [self.method_id, options_to_json(self.train_options), dict(self.architecture)]
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for name in sorted(self.weights):
            digest.update(name.encode() + self.weights[name].tobytes())
        return digest.hexdigest()[:16]

    def save(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write the run folder; an older model in it is replaced only once the new one is complete.

        Parameters
        ----------
        overwrite : bool
            Replace also the work of another method, and files that this package did not write.

        Raises
        ------
        WouldOverwrite
            If something is there that may not be replaced.
        WrongRun
            If the folder cannot be written.
        """
        folder = Path(folder)
        require_own_run(folder, self.method_id, overwrite=overwrite)
        record = {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "method": self.method_id,
            "train_options": options_to_json(self.train_options),
            "segment_options": options_to_json(self.segment_options),
            "architecture": dict(self.architecture),
            "intensity": dataclasses.asdict(self.intensity),
            "object_diameter": self.object_diameter,
            "provenance": dataclasses.asdict(self.provenance),
        }
        files = [folder / name for name in (WEIGHTS_FILE, HISTORY_FILE, RUN_FILE)]
        try:
            with complete_files(*files) as (weights, history, run):
                write_arrays(weights, self.weights)
                write_rows(history, self.history)
                run.write_text(json.dumps(record, indent=2), encoding="utf-8")
        except OSError as problem:
            raise messages.run_not_saved(folder, reason(problem)) from problem

    @classmethod
    def load(cls, folder: Path, weights: Path | None = None) -> "ModelBundle":
        """Read a run folder; nothing in it is executed or unpickled.

        Parameters
        ----------
        weights : Path, optional
            File of the weights, where it is not in the folder.

        Raises
        ------
        WrongRun
            If it is not a run folder, is damaged, may not be read, or was written by a newer version.
        """
        folder = Path(folder)
        try:
            record = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
            return _from_record(
                record, load_arrays(weights or folder / WEIGHTS_FILE)[0], read_history(folder / HISTORY_FILE)
            )
        except (FileNotFoundError, NotADirectoryError):
            raise messages.not_a_run_folder(folder, RUN_FILE) from None
        except PermissionError as problem:
            raise messages.run_unreadable(folder, reason(problem), how_to_read(problem, "")) from problem
        except WrongRun:
            raise
        except CellSegError as problem:
            raise messages.run_does_not_fit(folder, problem) from problem
        except (*DAMAGES, OSError) as problem:
            raise messages.run_damaged(folder, problem) from problem


def _from_record(
    record: Mapping[str, Any], weights: Mapping[str, Array], history: tuple[Mapping[str, float], ...]
) -> ModelBundle:
    if record["format_version"] > FORMAT_VERSION:
        raise messages.run_is_newer(record["format_version"], FORMAT_VERSION)
    info = method_module(record["method"]).METHOD.info
    provenance = {**record["provenance"], "notes": tuple(record["provenance"].get("notes", ()))}
    diameter = record["object_diameter"]
    return ModelBundle(
        name=str(record["name"]),
        method_id=info.id,
        train_options=options_from_json(info.train_options, record["train_options"]),
        segment_options=options_from_json(info.segment_options, record["segment_options"]),
        architecture=dict(record["architecture"]),
        intensity=Intensity(**record["intensity"]),
        object_diameter="auto" if diameter == "auto" else float(diameter),
        weights=weights,
        provenance=Provenance(**provenance),
        history=history,
    )
