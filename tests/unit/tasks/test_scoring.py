"""Which axes labels are scored along: stated by a file, asked for, or assumed and said."""

import numpy as np
import pytest
import tifffile

from drawings import disks
from napari_cellseg_ssl.core.errors import WrongAnnotation
from napari_cellseg_ssl.tasks import messages as tasks_messages
from napari_cellseg_ssl.tasks.score import LabelImage, frame_scores
from saying import saying

BLOCKS = np.zeros((4, 20, 20), np.uint16)
BLOCKS[1:3, 2:8, 2:8], BLOCKS[1:3, 11:17, 11:17] = 1, 2
SWAPPED = BLOCKS.copy()
SWAPPED[2] = np.array([0, 2, 1])[BLOCKS[2]]
"""The same two cells, whose numbers are exchanged in one slice."""


def scored(truth_axes, prediction_axes, *, truth=BLOCKS, prediction=SWAPPED, axes=None):
    """Score labels of stated axes -> (images, mean F1, what was told)."""
    told = []
    pair = LabelImage(truth, truth_axes, "t.tif"), LabelImage(prediction, prediction_axes, "p.tif")
    scores = frame_scores(*pair, axes=axes, tell=told.append)
    return len(scores), np.mean([one.f1_50 for one in scores]), told


@pytest.mark.parametrize("axes", [("TYX", "TYX"), ("TYX", None), (None, "TYX"), ("NYX", "TYX")])
def test_frames_are_scored_one_by_one_if_either_file_says_so(axes):
    assert scored(*axes)[:2] == (4, 1.0)


@pytest.mark.parametrize("axes", [("ZYX", "ZYX"), ("ZYX", None), (None, "ZYX")])
def test_volumes_are_scored_in_space_if_either_file_says_so(axes):
    assert scored(*axes) == (1, 0.0, [])


def test_files_that_say_nothing_are_taken_for_movies_and_that_is_told():
    images, f1, told = scored(None, None)

    assert (images, f1) == (4, 1.0)
    assert told == [
        "'t.tif' of shape (4, 20, 20) is scored as TYX, frames over time. Say the axes ZYX if it is a volume."
    ]


def test_where_files_disagree_frames_stay_apart_and_that_is_told():
    images, f1, told = scored("ZYX", "TYX")

    assert (images, f1) == (4, 1.0)
    assert told == ["'t.tif' has the axes ZYX, its prediction TYX: both are scored as TYX."]


def test_what_is_asked_for_goes_before_what_files_say():
    assert scored("TYX", "TYX", axes="zyx") == (1, 0.0, [])
    assert scored("ZYX", "ZYX", axes="TYX")[:2] == (4, 1.0)


def test_axes_of_one_entry_do_not_count():
    assert scored("TZCYX", None, truth=BLOCKS[:, None, None])[:2] == (4, 1.0)
    assert scored("CYX", None, truth=BLOCKS[1:2], prediction=BLOCKS[1], axes="ZYX") == (1, 1.0, [])


def test_each_channel_of_a_label_file_is_a_label_image():
    assert scored("CYX", "CYX")[:2] == (4, 1.0)


def test_axes_in_another_order_are_sorted():
    assert scored("YXZ", "ZYX", truth=np.moveaxis(BLOCKS, 0, -1), prediction=BLOCKS) == (1, 1.0, [])


def test_movies_of_other_lengths_are_refused():
    with pytest.raises(WrongAnnotation, match=r"truth is \(4, 20, 20\) and the prediction \(3, 20, 20\)"):
        scored("TYX", "TYX", prediction=SWAPPED[:3])


def test_a_picture_in_colour_is_no_truth(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9, 3), np.uint8), photometric="rgb")

    with pytest.raises(WrongAnnotation, match=saying(tasks_messages.labels_in_colour)):
        LabelImage.read(tmp_path / "a.tif")


def test_a_file_tells_its_axes(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", BLOCKS, imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "b.tif", disks().astype(np.uint16))

    assert LabelImage.read(tmp_path / "a.tif").axes == "TYX"
    assert LabelImage.read(tmp_path / "b.tif").axes == "YX"
