"""The score table: complete and sparse truth, one image and many."""

import numpy as np
import pytest

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.errors import WrongAnnotation
from napari_cellseg_ssl.gui import messages as gui_messages
from napari_cellseg_ssl.gui.views.scoring import as_text, score_lines
from saying import saying


def _cells(n_frames=1):
    frames = np.zeros((n_frames, 30, 40), np.int32)
    frames[:, 2:10, 2:10], frames[:, 15:25, 20:30] = 1, 2
    return frames


def _values(lines):
    return {line.name: line.value for line in lines}


def test_the_truth_itself_scores_one_everywhere():
    values = _values(score_lines(Annotation.from_dense(_cells()), _cells()))

    assert {name: value for name, value in values.items() if value == "1.000"}.keys() >= {
        "F1 at IoU 0.5",
        "SEG",
        "Dice",
    }
    assert (values["True cells"], values["Found"], values["Missed"], values["Extra"]) == ("2", "2", "0", "0")


def test_a_missed_and_an_invented_cell_are_counted_over_all_frames():
    prediction = _cells(3)
    prediction[1, 2:10, 2:10] = 0
    prediction[2, 26:29, 2:5] = 9

    values = _values(score_lines(Annotation.from_dense(_cells(3)), prediction))

    assert (values["Missed"], values["Extra"], values["Frames"]) == ("1", "1", "3")
    assert float(values["F1 at IoU 0.5"]) == pytest.approx((1 + 2 / 3 + 4 / 5) / 3, abs=1e-3)


def test_where_nothing_is_painted_a_prediction_costs_nothing():
    painted = np.where(_cells() == 1, 2, 0)
    prediction = _cells()

    values = _values(score_lines(Annotation.from_painting(painted), prediction))

    assert values["F1 where painted"] == "1.000"
    assert values["Extra"] == "0"


def test_other_shapes_are_refused_with_both():
    with pytest.raises(WrongAnnotation, match=r"\(1, 30, 40\).*\(1, 30, 41\)"):
        score_lines(Annotation.from_dense(_cells()), np.zeros((1, 30, 41), int))


def test_an_unpainted_truth_is_refused():
    with pytest.raises(WrongAnnotation, match=saying(gui_messages.truth_is_empty)):
        score_lines(Annotation.from_painting(_cells() * 0), _cells())


def test_the_table_can_be_pasted_into_a_spreadsheet():
    text = as_text(score_lines(Annotation.from_dense(_cells()), _cells()))
    assert "F1 at IoU 0.5\t1.000" in text.splitlines()
