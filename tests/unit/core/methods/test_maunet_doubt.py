"""An image of another kind than those of the training is noticed, and said to be."""

import numpy as np
import pytest

from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.methods.maunet import METHOD
from napari_cellseg_ssl.core.methods.maunet.options import MaunetOptions, MaunetSegmentOptions
from napari_cellseg_ssl.core.methods.maunet.uncertainty import doubtful_share
from napari_cellseg_ssl.core.model.bundle import ModelBundle, Provenance

SHAPE = (10, 10)


def probabilities(doubtful_rows):
    """Certain of background, apart from some rows, in which all three classes are as probable."""
    found = np.zeros((3, *SHAPE), np.float32)
    found[0] = 1
    found[:, :doubtful_rows] = 1 / 3
    return found


def bundle(**scores):
    return ModelBundle(
        name="maunet",
        method_id="maunet",
        train_options=MaunetOptions(),
        segment_options=MaunetSegmentOptions(),
        architecture={"tag": "maunet", "in_channels": 1, "spatial_ndim": 2},
        weights={},
        provenance=Provenance(scores=scores),
    )


def maps(*frames, ambiguity=0.0):
    return PredictionMaps(
        arrays={
            "probability": np.stack([probabilities(rows) for rows in frames]),
            "distance": np.zeros((len(frames), 1, *SHAPE), np.float32),
            "ambiguity": np.full((len(frames), 1, *SHAPE), ambiguity, np.float32),
        },
        specs={spec.name: spec for spec in METHOD.info.maps},
        scale=1.0,
        source_shape=SHAPE,
        diameter=10.0,
        bundle_id="",
        image_name="",
    )


def test_doubt_is_of_classes_or_of_the_proxy():
    nothing, everything = np.zeros(SHAPE), np.ones(SHAPE)

    assert doubtful_share(probabilities(0), nothing) == 0
    assert doubtful_share(probabilities(3), nothing) == pytest.approx(0.3)
    assert doubtful_share(probabilities(0), everything) == 1


@pytest.mark.parametrize(
    ("usual", "frames", "is_said"),
    [
        (0.04, (2,), True),
        (0.04, (0, 2), True),  # one frame is enough
        (0.04, (0,), False),
        (0.09, (1,), False),  # hardly more than usual
        (0.3, (4,), False),
        (0.0, (0,), False),
    ],
)
def test_a_user_is_warned_of_images_with_much_more_doubt_than_usual(usual, frames, is_said):
    said = list(METHOD.remarks(bundle(doubtful=usual), maps(*frames)))

    assert bool(said) == is_said
    if said:
        assert "20%" in said[0]
        assert f"{usual:.0%}" in said[0]


def test_a_model_that_was_trained_before_this_was_kept_says_nothing():
    assert list(METHOD.remarks(bundle(f1=0.9), maps(10))) == []
