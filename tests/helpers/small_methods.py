"""Small data, small options and short ways to train and predict: what the contract asks every method with."""

import numpy as np

from drawings import disks, painting, picture
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.base import Run
from napari_cellseg_ssl.core.methods.events import MapsReady, TrainFinished, last_of
from napari_cellseg_ssl.core.options import option_specs, with_values

SMALL = {
    "steps": 2, "width": 4, "last_width": 4, "depth": 1, "crop": 64,
    "batch": 2, "refine_batch": 1, "unlabelled_batch": 1, "passes": 2,
    "detector": "tiny", "tile": 32, "view": 32, "tiles": 4, "queue": 64,
}  # fmt: skip
DIAMETER = 11.0


def small_options(method, ndim=2, **values):
    names = {spec.name for spec in option_specs(method.info.train_options)}
    wanted = {name: value for name, value in (SMALL | values).items() if name in names}
    return with_values(method.info.preset(ndim=ndim), wanted)


def data_for(channels=1, shapes=((64, 64),), labelled=True):
    items = []
    for n, shape in enumerate(shapes):
        cells = disks(shape)
        frame = np.stack([picture(cells, seed=10 * n + c) for c in range(channels)])
        note = Annotation.from_painting(painting(cells, n_cells=8)) if labelled else None
        stack = ImageStack.from_array(frame, axes="CYX", name=f"image {n}")
        items.append(TrainingItem(image=stack, annotation=note, diameter=DIAMETER))
    return TrainingSet(tuple(items))


def trained(method, data, *, options=None, **run):
    return last_of(method.train(data, options or small_options(method), Run(**run)), TrainFinished).bundle


def maps_of(method, bundle, image, **kwargs):
    events = predict_tiled(
        image,
        method.predictor(bundle, "cpu"),
        diameter=kwargs.pop("diameter", DIAMETER),
        specs={spec.name: spec for spec in method.info.maps},
        intensity=bundle.intensity,
        **kwargs,
    )
    return last_of(events, MapsReady).maps
