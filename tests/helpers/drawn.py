"""A model of AD-GAN that has seen one step: it draws nonsense, but at once and with everything that belongs to it."""

from balls import ball_volume
from drawings import disks, picture
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.methods.base import Run, get_method
from napari_cellseg_ssl.core.methods.events import TrainFinished, last_of
from napari_cellseg_ssl.core.options import with_values

TINY = {"steps": 1, "width": 4, "blocks": 1, "crop": 32, "batch": 1}


def trained(method_id="adgan", ndim=2, **options):
    """Train a method for one step on sixteen disks, or on four balls."""
    image = ImageStack.from_array(picture(disks()), name="disks") if ndim == 2 else ball_volume()[1]
    method = get_method(method_id)
    values = {**TINY, **options} if method_id == "adgan" else options
    data = TrainingSet((TrainingItem(image=image, diameter=11.0 if ndim == 2 else 14.0),))
    settings = with_values(method.info.preset(ndim=ndim), values)
    return last_of(method.train(data, settings, Run()), TrainFinished).bundle
