"""CUPre on real images: it beats the untrained detector, and a source gives it a better start than chance."""

import numpy as np
import pytest

import napari_cellseg_ssl as cs
from benchmarks._lib.detection_scores import coco_scores, judged
from napari_cellseg_ssl.core.metrics.scores import image_scores, set_scores
from napari_cellseg_ssl.gui.sample_data import nuclei_1, nuclei_3

pytestmark = pytest.mark.learns

OPTIONS = {"detector": "tiny", "rate": 2e-3, "crop": 128, "source": "shapes", "contrast_share": 0.2, "iterations": 1}
DIAMETERS = {"nuclei_1": 12.7, "nuclei_3": 16.7}


def f1(bundle):
    image, truth = (layer[0] for layer in nuclei_3())
    labels = np.asarray(cs.segment(bundle, image, object_diameter=DIAMETERS["nuclei_3"])).reshape(truth.shape)
    return set_scores([image_scores(truth, labels)])["f1_50"]


def ap_50(bundle):
    image, truth = (layer[0] for layer in nuclei_3())
    (found,) = cs.predict(bundle, image, object_diameter=DIAMETERS["nuclei_3"]).detections_to_source()
    return coco_scores([judged(truth, found)]).ap_50


def train(stage, steps, start=None):
    image, truth = (layer[0] for layer in nuclei_1())
    return cs.train(
        "cupre",
        images=[image],
        labels=[truth],
        labels_mode="dense",
        options={**OPTIONS, "stage": stage, "steps": steps},
        object_diameter=DIAMETERS["nuclei_1"],
        device="cpu",
        start_from=start,
    )


def test_few_annotated_nuclei_and_a_source_beat_an_untrained_detector_by_far():
    """Cells are counted by F1 once the scores have settled; before, AP asks for no least score."""
    assert f1(train("fine-tune", 1)) < 0.1

    pretrained = train("pre-train", 200)

    assert f1(train("fine-tune", 60, pretrained)) > 0.45
    assert ap_50(train("fine-tune", 30, pretrained)) > ap_50(train("fine-tune", 30)) + 0.2
