"""The label loop in one piece, in a real window, by mouse and keys: python docs/label_loop.py [FOLDER [SECONDS]].

Propose, paint, accept, reject, split, join, undo; learn with ACTIS for some seconds, learn on from more cells; then go
back to the first version. Ends with an error if its weights, labels or cells are not, bit for bit, those of before;
else prints their hashes as one JSON line. Without a screen, run it under xvfb-run.
"""

import json
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication
from tour import PLUGIN, Tour, choose, elsewhere, middle_of, touching_cells, train, wait

from napari_cellseg_ssl.core.metrics.matching import match_instances
from napari_cellseg_ssl.gui.layers.tags import find_layer
from napari_cellseg_ssl.gui.session.keeper import PUT_BACK
from napari_cellseg_ssl.tasks.session.versions import load_version

SAMPLE = "nuclei_3"
ACCEPTED, ACCEPTED_LATER = 6, 4
SECONDS = 30
SPLIT_PX = 16
"""Half the length of the line that splits two cells."""
STROKE_PX = 30
"""Length of a stroke of background."""
CONTROL = Qt.KeyboardModifier.ControlModifier


class Loop:
    """One person, one image, two trainings."""

    def __init__(self, folder: Path) -> None:
        self.tour = Tour(folder)
        self.tour.viewer.open_sample(PLUGIN, SAMPLE)
        self.truth = self.tour.viewer.layers[f"{SAMPLE} · truth"].data

    @property
    def annotation(self) -> np.ndarray:
        """What is painted now."""
        return self.tour.controller.annotation_layer.data

    def instances(self, method: str) -> Any:
        """Layer of the instances of a method."""
        return find_layer(self.tour.viewer, self.tour.controller.image_layer, "instances", method, name="")

    def propose(self) -> None:
        """Let the classical method find cells, and begin an annotation."""
        tour = self.tour
        tour.dock("Train & segment")
        choose(tour.find("cellseg_method"), "classical")
        tour.segment()
        tour.dock("Paint labels")
        tour.show("instances")
        tour.find("cellseg_new_annotation").click()
        choose(tour.find("cellseg_proposals_from"), "instances")
        found = self.instances("classical").data
        pairs = match_instances(self.truth, found, 0.7)
        self.right = [middle_of(self.truth == cell) for cell in pairs.truth_ids]

    def correct(self) -> None:
        """Split, join, and take the joining back; accept both halves."""
        first, second = touching_cells(self.instances("classical").data, self.truth)
        middle, along = (first + second) / 2, (second - first) / np.linalg.norm(second - first)
        across = SPLIT_PX * np.array([-along[1], along[0]])

        def split() -> None:
            self.tour.press("S")
            self.tour.drag(middle - across, middle + across)

        def join() -> None:
            self.tour.press("J")
            self.tour.drag(first - 2 * along, second + 2 * along)

        layer = self.instances("classical")
        self._changes(lambda: layer.data, split, "splitting")
        halves = layer.data.copy()
        self._changes(lambda: layer.data, join, "joining")
        self.tour.press("Z", modifier=CONTROL)
        check(np.array_equal(layer.data, halves), "undo gives the two halves back")
        for half in (first, second):
            self._changes(lambda: self.annotation, lambda half=half: self.tour.press("A", half), "accepting a half")

    def accept(self, count: int) -> None:
        """Accept proposals that are right, and put a ring of background around each."""
        for _ in range(count):
            place = self.right.pop()
            self._changes(lambda: self.annotation, lambda place=place: self.tour.press("A", place), "accepting")
            self.tour.press("O", place)

    def reject(self) -> None:
        """Reject the smallest proposal, change one's mind, and reject it again."""
        found, before = self.instances("classical").data, self.annotation.copy()
        smallest = np.bincount(found[found > 0])[1:].argmin() + 1
        self.tour.press("R", middle_of(found == smallest))
        check((self.annotation[found == smallest] == 1).any(), "a rejected cell is painted as background")
        self.tour.press("Z", modifier=CONTROL)
        check(np.array_equal(self.annotation, before), "undo takes the rejection back")
        self.tour.press("R", middle_of(found == smallest))

    def paint(self) -> None:
        """Paint a whole cell, row by row, and a stroke of background, with the brush."""
        cell = next(c for c in np.unique(self.truth)[1:] if is_inside(self.truth == c) and self._is_bare(c))
        self.tour.press("N")
        layer = self.tour.controller.annotation_layer
        number, brush = layer.selected_label, layer.brush_size
        rows = np.flatnonzero((self.truth == cell).any(axis=1))
        for row in range(rows[0] + brush // 2, rows[-1] + 1, max(1, brush - 1)):
            columns = np.flatnonzero(self.truth[row] == cell)
            if len(columns) > brush:
                self.tour.drag((row, columns[0] + brush / 2), (row, columns[-1] - brush / 2))
        painted = self.annotation == number
        iou = (painted & (self.truth == cell)).sum() / (painted | (self.truth == cell)).sum()
        check(iou > 0.5, f"a cell painted with the brush is that cell (IoU {iou:.2f})")
        self.tour.press("G")
        row, column = self._empty_stretch()
        self.tour.drag((row, column), (row, column + STROKE_PX))
        check(self.annotation[row, column + STROKE_PX // 2] == 1, "a stroke of background is painted")

    def learn(self, seconds: int, *, on: bool = False) -> Any:
        """Train ACTIS, from nothing or from the current model; returns the version that is kept."""
        tour = self.tour
        tour.dock("Train & segment")
        n_before = len(tour.controller.state.versions)
        tour.find("cellseg_go_on").setChecked(on)
        train(tour, "actis", seconds, "")
        versions = tour.controller.state.versions
        check(len(versions) == n_before + 1, "a training adds a version to the list")
        tour.show("instances", "annotation")
        return versions[-1]

    def go_back(self, version: Any) -> None:
        """Restore a version with its labels, by the list and the question that follows."""
        listed = self.tour.find("cellseg_versions")
        (row,) = listed.findItems(str(version.number), Qt.MatchFlag.MatchExactly, 0)
        listed.clearSelection()
        row.setSelected(True)
        QTimer.singleShot(500, answer_yes)
        self.tour.find("cellseg_restore_version").click()
        self.tour.finish(60)
        check(self.tour.controller.state.current == version.number, "the older version is the current one")

    def hashes(self) -> dict[str, str]:
        """Hashes of the current weights, of what is painted, and of the cells that the model finds."""
        self.tour.segment()
        weights = self.tour.controller.bundle.weights
        return {
            "weights": sha256(b"".join(weights[name].tobytes() for name in sorted(weights))).hexdigest(),
            "labels": sha256(self.annotation.tobytes()).hexdigest(),
            "cells": sha256(self.instances("actis").data.tobytes()).hexdigest(),
        }

    def _changes(self, pixels: Callable[[], np.ndarray], act: Callable[[], None], name: str) -> None:
        before = pixels().copy()
        act()
        check(not np.array_equal(pixels(), before), f"{name} changes the layer")

    def _is_bare(self, cell: int) -> bool:
        return not self.annotation[self.truth == cell].any()

    def _empty_stretch(self) -> tuple[int, int]:
        """Start of a horizontal stretch with nothing in it, for a stroke of background."""
        is_full = (self.truth > 0) | (self.annotation > 0)
        sums = np.lib.stride_tricks.sliding_window_view(is_full, (9, STROKE_PX + 9)).sum(axis=(2, 3))
        row, column = np.unravel_index(sums.argmin(), sums.shape)
        return int(row) + 4, int(column) + 4


def is_inside(mask: np.ndarray) -> bool:
    """Whether an object does not touch the border of the image."""
    return not any(edge.any() for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def answer_yes() -> None:
    """Press the button of the question that puts the labels back."""
    box: Any = QApplication.activeModalWidget()
    check(box is not None, "labels are not replaced without a question")
    next(button for button in box.buttons() if button.text() == PUT_BACK).click()


def check(is_so: Any, what: str) -> None:
    """End with an error where something that has to be so is not."""
    if not is_so:
        raise SystemExit(f"This does not hold: {what}.")


def go_round(folder: Path, seconds: int) -> dict[str, object]:
    """Go round the loop; returns what is worth printing."""
    loop = Loop(folder)
    loop.propose()
    loop.correct()
    loop.accept(ACCEPTED)
    loop.reject()
    loop.paint()
    loop.tour.shoot("loop-1-paint")
    first = loop.learn(seconds)
    before = loop.hashes()
    loop.tour.dock("Paint labels")
    loop.accept(ACCEPTED_LATER)
    second = loop.learn(seconds, on=True)
    learned_on = load_version(second)[0]
    check(learned_on.provenance.parent == load_version(first)[0].id, "the second model began with the first")
    later = loop.hashes()
    check(not set(later.values()) & set(before.values()), "weights, labels and cells have changed")
    loop.tour.scroll("cellseg_versions")
    loop.tour.shoot("loop-2-learned-on")
    loop.go_back(first)
    after = loop.hashes()
    check(after == before, f"what came back is what there was: {after} {before}")
    loop.tour.show("instances", "annotation")
    loop.tour.scroll("cellseg_versions")
    wait(0.5)
    loop.tour.shoot("loop-3-back")
    versions = loop.tour.controller.state.versions
    loop.tour.viewer.close()
    return {
        "versions": [f"{v.number} {v.method_id} {v.origin}, {v.n_cells} cells, F1 {v.score}" for v in versions],
        **{f"sha256_of_{name}": value for name, value in after.items()},
    }


def main() -> None:
    """Go round the loop."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images"
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.absolute()
    with elsewhere():
        print(json.dumps(go_round(folder, seconds)))


if __name__ == "__main__":
    main()
