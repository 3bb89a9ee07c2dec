"""The two stages of CUPre in the real window, for make_screenshots.py."""

from tour import PLUGIN, Tour, choose, paint_cells, train, wait, wait_until

from napari_cellseg_ssl.gui.layers.tags import find_layer

PRETRAIN_SECONDS, FINE_TUNE_SECONDS = 120, 240
HALFWAY, REDRAWN_SECONDS = 0.45, 2
ASKED = (150, 100)


def pretrain(tour: Tour) -> None:
    """Pre-train on drawn shapes and on three images without labels, and ask what looks alike."""
    for sample in ("nuclei_1", "nuclei_2", "nuclei_3"):
        tour.viewer.open_sample(PLUGIN, sample)
    tour.dock("Train & segment")
    choices = tour.controller.choices
    choices.choose_image(tour.viewer.layers["nuclei_3"])
    for row in choices.more.rows():
        choices.more.check(row.key, True)
        tour.viewer.layers[row.name].visible = False
    wait_until(lambda: choices.shown_diameter is not None, 60)
    choose(tour.find("cellseg_method"), "CUPre")
    tour.find("cellseg_option_source").setText("shapes")
    wait_until(lambda: tour.find("cellseg_train").text() == "Pre-train", 30)
    tour.find("cellseg_limit_time").setChecked(True)
    tour.find("cellseg_time_budget").setValue(PRETRAIN_SECONDS)
    tour.find("cellseg_train").click()
    wait_until(lambda: _is_shown(tour), 300)
    tour.scroll("cellseg_loss_plot")
    wait(REDRAWN_SECONDS)
    tour.shoot("cupre-pretrain")
    tour.finish(600)
    tour.show()
    camera = tour.viewer.scene.camera
    before = camera.center
    camera.center = (*camera.center[:-2], *ASKED)
    wait(0.5)
    tour.find("cellseg_alike").click()
    wait(0.5)
    tour.finish(120)
    camera.center = before
    tour.scroll("cellseg_alike")
    tour.shoot("cupre-alike")


def fine_tune(tour: Tour) -> None:
    """Paint a few cells and some background, and let the pre-trained model learn them; look at its boxes."""
    tour.dock("Paint labels")
    paint_cells(tour)
    tour.dock("Train & segment")
    tour.show("annotation")
    wait_until(lambda: tour.find("cellseg_train").text() == "Fine-tune", 30)
    train(tour, "CUPre", FINE_TUNE_SECONDS, "")
    tour.show("instances")
    tour.find("cellseg_show_boxes").click()
    wait_until(lambda: find_layer(tour.viewer, tour.controller.image_layer, "boxes") is not None, 30)
    tour.scroll("cellseg_tune")
    tour.shoot("cupre-cells")


def _is_shown(tour: Tour) -> bool:
    """Whether it learns from the images, for the second time."""
    state = tour.controller.state
    return state.failure is not None or (state.phase == "contrast" and (state.fraction or 0) > HALFWAY)
