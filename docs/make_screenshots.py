"""Make the pictures of the user pages from the real window: python docs/make_screenshots.py [FOLDER [STAGE …]].

Everything is done through the widgets and by mouse and keys on the canvas, on packaged images and a drawn volume. All
stages take about thirteen minutes on two cores; without a screen, run it under xvfb-run.
"""

import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import tifffile
from pretraining import fine_tune, pretrain
from qtpy.QtCore import Qt
from tour import PLUGIN, Tour, choose, elsewhere, middle_of, paint_cells, touching_cells, train, wait, wait_until

from napari_cellseg_ssl.gui.layers.tags import find_layer

CELLULUS_SECONDS, ACTIS_SECONDS, SUPPORTED_SECONDS, ADGAN_SECONDS, MAUNET_SECONDS = 45, 90, 90, 120, 120
SHORT_SECONDS, VOLUME_SECONDS = 40, 120
HALFWAY = 6
"""Step of eleven that is shown on the way from image to mask."""
BALLS, SLICE_DISTANCE = 60, 3
"""Of the drawn volume; px between its slices."""
ERRORS_SEEN = 3
SPLIT_PX = 16
"""Half the length of the line that splits two cells."""


def without_labels(tour: Tour) -> None:
    """Open the sample, learn without labels, and look at everything."""
    tour.viewer.open_sample(PLUGIN, "nuclei_3")
    tour.dock("Train & segment")
    wait_until(lambda: tour.controller.choices.shown_diameter is not None, 60)
    tour.shoot("1-open")
    train(tour, "cellulus", CELLULUS_SECONDS, "2-learn")
    tour.show("instances", "reference")
    tour.scroll("cellseg_tune")
    tour.shoot("3-cells")
    tour.show("embedding")
    tour.shoot("4-embedding")


def paint(tour: Tour) -> None:
    """Paint as a person would, then learn from it."""
    tour.dock("Paint labels")
    annotation = paint_cells(tour)
    tour.show("annotation", "complete-regions")
    tour.viewer.layers.selection.active = annotation
    tour.find("cellseg_next_cell").click()
    wait(1)
    tour.shoot("5-paint")
    tour.dock("Train & segment")
    tour.show("preview")
    train(tour, "actis", ACTIS_SECONDS, "6-learn-from-labels")
    tour.show("probability")
    tour.shoot("7-probabilities")
    tour.show("instances")
    tour.scroll("cellseg_tune")
    tour.shoot("8-better-cells")
    tour.find("cellseg_tune").click()
    wait(0.5)
    tour.finish(300)
    tour.scroll("cellseg_tune_best")
    tour.shoot("tune")


def correct(tour: Tour) -> None:
    """Split, join and delete instances of the classical method, and accept some as cells."""
    tour.viewer.open_sample(PLUGIN, "nuclei_3")
    tour.dock("Train & segment")
    choose(tour.find("cellseg_method"), "classical")
    tour.segment()
    tour.dock("Paint labels")
    tour.show("instances")
    tour.find("cellseg_new_annotation").click()
    instances = find_layer(tour.viewer, tour.controller.image_layer, "instances").data
    first, second = touching_cells(instances, tour.viewer.layers["nuclei_3 · truth"].data)
    middle, along = (first + second) / 2, (second - first) / np.linalg.norm(second - first)
    across = SPLIT_PX * np.array([-along[1], along[0]])
    tour.viewer.scene.camera.zoom *= 2.5
    tour.viewer.scene.camera.center = tuple(middle)
    wait(0.5)
    tour.press("S")
    tour.drag(middle - across, middle + across, "11-split")
    tour.press("J")
    tour.drag(first - 2 * along, second + 2 * along, "12-join")
    tour.press("Z", modifier=Qt.KeyboardModifier.ControlModifier)
    tour.press("A", first)
    tour.press("A", second)
    tour.shoot("13-accept")
    tour.viewer.reset_view()
    wait(0.5)
    smallest = np.bincount(instances[instances > 0])[1:].argmin() + 1
    tour.press("D", middle_of(instances == smallest))
    tour.find("cellseg_mark_corrected").setChecked(True)
    tour.shoot("14-corrected")


def supported(tour: Tour) -> None:
    """Learn from what Cellulus finds, corrected by a few painted cells."""
    tour.viewer.open_sample(PLUGIN, "nuclei_painted")
    tour.dock("Train & segment")
    train(tour, "your cells", SUPPORTED_SECONDS, "supported-first", when=0.3)
    tour.show("instances", "reference")
    tour.scroll("cellseg_notes")
    tour.shoot("supported-cells")


def drawn(tour: Tour) -> None:
    """Learn from masks that AD-GAN draws, having looked at them first."""
    tour.viewer.open_sample(PLUGIN, "nuclei_3")
    tour.dock("Train & segment")
    wait_until(lambda: tour.controller.choices.shown_diameter is not None, 60)
    choose(tour.find("cellseg_method"), "AD-GAN")
    wait_until(lambda: "Are they like the cells" in tour.find("cellseg_mask_note").text(), 30)
    tour.scroll("cellseg_show_masks")
    tour.shoot("masks-before")
    train(tour, "AD-GAN", ADGAN_SECONDS, "masks-while-learning")
    tour.show("instances", "reference", "synthetic-mask", "synthetic-image")
    tour.scroll("cellseg_tune")
    tour.shoot("masks-cells")


def drawn_images(tour: Tour) -> None:
    """Let the model draw, beside the image and below it."""
    tour.show()
    for button in ("cellseg_draw_example", "cellseg_interpolate"):
        tour.find(button).click()
        wait(0.5)
        tour.finish(120)
    tour.viewer.dims.set_current_step(0, HALFWAY)
    tour.scroll("cellseg_write_pairs")
    tour.shoot("drawn-images")


def score_and_export(tour: Tour) -> None:
    """Score against the packaged truth, and write files."""
    tour.dock("Score & export")
    tour.find("cellseg_export_folder").setText("results")
    choose(tour.find("cellseg_score_truth"), "truth")
    tour.find("cellseg_score").click()
    wait_until(lambda: tour.find("cellseg_score_table").rowCount() > 0, 30)
    for _ in range(ERRORS_SEEN):
        tour.find("cellseg_error_next").click()
        wait(0.3)
    tour.shoot("score")
    tour.find("cellseg_export_roi").setChecked(True)
    tour.find("cellseg_export").click()
    wait_until(lambda: tour.find("cellseg_export_message").text().startswith("Wrote"), 60)
    tour.scroll("cellseg_export_message")
    tour.shoot("10-export")


def versions(tour: Tour) -> None:
    """Learn twice from a painted image, the second time for longer; compare; ask where to paint next."""
    for sample in ("nuclei_1", "nuclei_2", "nuclei_painted"):
        tour.viewer.open_sample(PLUGIN, sample)
    tour.dock("Paint labels")
    tour.dock("Train & segment")
    choices = tour.controller.choices
    choices.choose_image(tour.viewer.layers["nuclei_3"])
    for row in choices.more.rows():
        choices.more.check(row.key, True)
        tour.viewer.layers[row.name].visible = False
    for seconds in (SHORT_SECONDS, 2 * SHORT_SECONDS):
        train(tour, "actis", seconds, "")
    listed = tour.find("cellseg_versions")
    listed.selectAll()
    tour.find("cellseg_compare").click()
    tour.finish(120)
    tour.scroll("cellseg_divider")
    tour.shoot("versions")
    tour.dock("Paint labels")
    tour.find("cellseg_where_next").click()
    tour.finish(120)
    fields = tour.find("cellseg_fields")
    fields.setCurrentRow(0)
    fields.itemClicked.emit(fields.item(0))
    tour.scroll("cellseg_field_complete")
    tour.shoot("where-next")


def volume(tour: Tour) -> None:
    """Segment a drawn volume of touching balls, slices three px apart, and look at it in space."""
    rng = np.random.default_rng(0)
    grid = np.indices((90, 130, 130)).astype(np.float32)
    nuclei = np.zeros(grid.shape[1:], np.float32)
    for middle in rng.uniform(10, np.array(nuclei.shape) - 10, (BALLS, 3)):
        distance = np.sqrt(((grid - middle.reshape(3, 1, 1, 1)) ** 2).sum(axis=0))
        nuclei = np.maximum(nuclei, rng.uniform(0.5, 1) / (1 + np.exp(distance - rng.uniform(8, 11))))
    slices = (nuclei + 0.08 * rng.standard_normal(nuclei.shape))[::SLICE_DISTANCE].astype(np.float32)
    tour.viewer.add_image(slices, name="drawn nuclei", scale=(SLICE_DISTANCE, 1, 1))
    tour.dock("Train & segment")
    axes = tour.find("cellseg_axes")
    choose(axes, "3D")
    axes.activated.emit(axes.currentIndex())
    tour.viewer.dims.set_current_step(0, len(slices) // 2)
    train(tour, "cellulus", VOLUME_SECONDS, "")
    tour.show("instances")
    tour.viewer.dims.ndisplay = 3
    tour.viewer.reset_view()
    tour.viewer.scene.camera.angles = (0, 25, 55)
    tour.shoot("volume")


def colour(tour: Tour) -> None:
    """Learn from a few painted nuclei of stained tissue, in colour, and write the result."""
    tour.viewer.open_sample(PLUGIN, "tissue_painted")
    tour.dock("Train & segment")
    wait_until(lambda: tour.controller.choices.shown_diameter is not None, 60)
    tour.show("annotation")
    train(tour, "MAUNet", MAUNET_SECONDS, "colour-learn")
    tour.show("instances")
    tour.scroll("cellseg_tune")
    tour.shoot("colour-cells")
    tour.find("cellseg_show_steps").click()
    wait_until(lambda: bool(tour.find("cellseg_steps_note").text()), 30)
    tour.scroll("cellseg_show_steps")
    tour.shoot("colour-steps")
    tour.find("cellseg_show_steps").click()
    tour.dock("Score & export")
    tour.find("cellseg_export_folder").setText("results")
    tour.find("cellseg_export").click()
    wait_until(lambda: tour.find("cellseg_export_message").text().startswith("Wrote"), 60)
    tour.scroll("cellseg_export_message")
    tour.shoot("colour-export")


def another_kind(tour: Tour) -> None:
    """Let the same model segment an image of a kind that it has never seen."""
    grey = tifffile.imread(str(files("napari_cellseg_ssl") / "samples" / "images" / "nuclei_3.tif"))
    other = tour.viewer.add_image(np.stack([grey] * 3, axis=-1), name="fluorescence", rgb=True)
    tour.dock("Train & segment")
    tour.controller.choices.choose_image(other)
    tour.segment()
    tour.show("ambiguity")
    tour.viewer.reset_view()
    tour.scroll("cellseg_tune")
    tour.shoot("another-kind")


def starter(tour: Tour) -> None:
    """Find cells without training, by one click."""
    tour.viewer.open_sample(PLUGIN, "nuclei_3")
    tour.dock("Train & segment")
    wait_until(lambda: tour.controller.choices.shown_diameter is not None, 60)
    tour.find("cellseg_starter_nuclei").click()
    tour.finish(120)
    tour.show("instances")
    tour.scroll("cellseg_starter_nuclei")
    tour.shoot("starter")


STAGES = {
    "starter": (starter,),
    "learn": (without_labels, paint, score_and_export),
    "correct": (correct,),
    "supported": (supported,),
    "drawn": (drawn, drawn_images),
    "colour": (colour, another_kind),
    "volume": (volume,),
    "versions": (versions,),
    "cupre": (pretrain, fine_tune),
}


def main() -> None:
    """Take the pictures of all stages, or of some."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images"
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.absolute()
    with elsewhere():
        for stage in sys.argv[2:] or STAGES:
            tour = Tour(folder)
            for part in STAGES[stage]:
                part(tour)
            tour.viewer.close()


if __name__ == "__main__":
    main()
