"""What each method learns in a minute on the packaged nuclei, beside the network that learned nothing."""

from dataclasses import replace

import pytest
import tifffile

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.base import Run, get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, TrainFinished, last_of
from napari_cellseg_ssl.core.metrics.scores import image_scores
from napari_cellseg_ssl.samples import IMAGES, LABELS, NAMES, PAINTED

pytestmark = pytest.mark.learns
DIAMETERS = {"nuclei_1": 12.7, "nuclei_3": 16.7}


def item(name, painted=False, diameter=None):
    image = ImageStack.from_array(tifffile.imread(IMAGES / f"{name}.tif"), name=name)
    note = Annotation.from_painting(tifffile.imread(PAINTED / f"{name}.tif")) if painted else None
    return TrainingItem(image=image, annotation=note, diameter=diameter or DIAMETERS[name])


def train(method, *items, options, **run):
    return last_of(method.train(TrainingSet(items), options, Run(**run)), TrainFinished).bundle


def f1(method, bundle, one):
    events = predict_tiled(
        one.image,
        method.predictor(bundle, "cpu"),
        diameter=one.diameter,
        specs={spec.name: spec for spec in method.info.maps},
        intensity=bundle.intensity,
    )
    labels = method.segment(last_of(events, MapsReady).maps, bundle.segment_options)[0]
    return image_scores(tifffile.imread(LABELS / f"{one.image.name}.tif"), labels).f1_50


FEW_LABELS = {
    "actis": {"encoder": "small", "steps": 160, "unlabelled_batch": 2},
    "actis, resnet18": {"encoder": "resnet18", "steps": 160, "unlabelled_batch": 2},
    "maunet": {"steps": 100},
}


@pytest.mark.parametrize("case", FEW_LABELS)
def test_a_few_painted_nuclei_are_enough_to_beat_an_untrained_network_by_far(case):
    method = get_method(case.split(",")[0])
    options = replace(method.info.preset(), **FEW_LABELS[case])
    data = item("nuclei_3", painted=True), item("nuclei_1")
    trained = train(method, *data, options=options)
    untrained = train(method, *data, options=options, should_stop=lambda: True)

    assert f1(method, trained, item("nuclei_1")) > 0.75 > 0.3 > f1(method, untrained, item("nuclei_1"))


def test_adgan_finds_nuclei_without_any_label_and_its_quality_tells():
    method = get_method("adgan")
    data, options = [item(name) for name in DIAMETERS], replace(method.info.preset(), steps=250)
    trained = train(method, *data, options=options)
    untrained = train(method, *data, options=options, should_stop=lambda: True)

    assert f1(method, trained, item("nuclei_3")) > 0.75 > 0.3 > f1(method, untrained, item("nuclei_3"))
    assert trained.provenance.scores["quality"] > 0.7 > 0.3 > untrained.provenance.scores["quality"]


@pytest.mark.timeout(600)
def test_a_minute_of_supported_cellulus_finds_most_nuclei_without_any_label():
    method = get_method("cellulus_supported")
    data = [item(name, diameter=24.0) for name in NAMES]
    bundle = train(method, *data, options=replace(method.info.preset(), steps=600))

    for one in data:
        assert f1(method, bundle, one) > 0.7
