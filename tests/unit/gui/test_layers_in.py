"""What a job gets from the viewer: pixels with their axes, and what was painted."""

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes

from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongImage
from napari_cellseg_ssl.gui import messages as gui_messages
from napari_cellseg_ssl.gui import sample_data
from napari_cellseg_ssl.gui.layers.inputs import annotation_source, guess_layer_mode
from napari_cellseg_ssl.gui.layers.layout import layout_of
from napari_cellseg_ssl.gui.session.image_source import image_source
from saying import saying


def image_stack(layer, **settings):
    return image_source(layer, **settings).read()


def annotation(*layers, **settings):
    return annotation_source(*layers, **settings)()


def _pixels(*shape):
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("shape", "settings", "axes", "frames"),
    [
        ((24, 30), {}, "YX", (1, 1, 24, 30)),
        ((4, 24, 30), {}, "TYX", (4, 1, 24, 30)),
        ((24, 30, 3), {"rgb": True}, "YXC", (1, 3, 24, 30)),
        ((4, 24, 30, 3), {"rgb": True}, "TYXC", (4, 3, 24, 30)),
        ((4, 3, 24, 30), {}, "TCYX", (4, 3, 24, 30)),
        ((4, 9, 24, 30), {}, "TNYX", (36, 1, 24, 30)),
        ((2, 24, 30), {"axis_labels": ("c", "y", "x")}, "CYX", (1, 2, 24, 30)),
        ((5, 24, 30), {"axis_labels": ("slice", "y", "x")}, "NYX", (5, 1, 24, 30)),
        ((5, 24, 30), {"axis_labels": ("z", "y", "x")}, "ZYX", (1, 1, 5, 24, 30)),
        ((2, 5, 24, 30), {"axis_labels": ("t", "z", "y", "x")}, "TZYX", (2, 1, 5, 24, 30)),
        ((30, 24), {"axis_labels": ("x", "y")}, "XY", (1, 1, 24, 30)),
    ],
)
def test_axes_are_taken_from_the_layer(shape, settings, axes, frames):
    stack = image_stack(Image(_pixels(*shape), **settings))

    assert stack.axes == axes
    assert stack.frames.shape == frames


def test_slices_of_a_volume_are_frames_where_objects_have_two_dimensions():
    layer = Image(_pixels(5, 24, 30), axis_labels=("z", "y", "x"))

    assert image_stack(layer, ndim=2).frames.shape == (5, 1, 24, 30)


def test_a_lazy_pyramid_is_read_at_full_resolution():
    full = _pixels(64, 64)
    layer = Image([da.from_array(full), da.from_array(full[::2, ::2])], multiscale=True)

    np.testing.assert_array_equal(image_stack(layer).frames[0, 0], full)


@pytest.mark.parametrize(
    ("settings", "spacing"),
    [
        ({}, (1, 1)),
        ({"scale": (0.65, 0.5)}, (0.65, 0.5)),
        ({"scale": (650, 500), "units": "nm"}, (0.65, 0.5)),
        ({"scale": (0.65, 0.5), "rotate": 30}, (0.65, 0.5)),
        ({"affine": np.diag([2.0, 3.0, 1.0])}, (2, 3)),
    ],
)
def test_spacing_is_in_micrometres_whatever_the_units_and_the_transform(settings, spacing):
    assert image_stack(Image(_pixels(24, 30), **settings)).spacing == pytest.approx(spacing)


@pytest.mark.parametrize(
    ("settings", "known"),
    [({}, False), ({"units": "um"}, True), ({"units": "pixel"}, False), ({"scale": (0.5, 0.5)}, True)],
)
def test_a_pixel_of_one_micrometre_is_known_and_one_of_nothing_is_not(settings, known):
    assert image_stack(Image(_pixels(24, 30), **settings)).is_calibrated == known


def test_an_image_with_too_many_dimensions_asks_for_axis_labels():
    with pytest.raises(WrongImage, match=saying(gui_messages.axes_unknown)):
        image_stack(Image(np.zeros((2, 2, 2, 2, 8, 8))))


def _painting():
    labels = np.zeros((24, 30), int)
    labels[2:6, 2:6], labels[10:14, 10:14], labels[20:, :] = 2, 3, 1
    return labels


def test_a_painting_is_copied_and_zero_means_unknown():
    layer = Labels(_painting())

    note = annotation(layer, mode="sparse")
    layer.data[:] = 9

    assert note.n_cells == 2
    assert note.known.sum() == 16 + 16 + 4 * 30
    assert note.cells[0, 3, 3] == 2


def test_dense_labels_are_known_everywhere_and_one_is_a_cell():
    note = annotation(Labels(_painting()), mode="dense")

    assert note.known.all()
    assert note.n_cells == 3


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_inside_a_complete_region_zero_is_background_wherever_its_layer_lies(scale):
    labels = Labels(_painting(), scale=(scale, scale), translate=(5, 7))
    box = np.array([[-0.5, -0.5], [-0.5, 7.5], [7.5, 7.5], [7.5, -0.5]])
    regions = Shapes([(box + 2) * scale + (3, 4)], translate=np.array([2, 3]) - 2 * scale)

    note = annotation(labels, regions, mode="sparse")

    wanted = _painting() != 0
    wanted[:8, :8] = True
    np.testing.assert_array_equal(note.known[0], wanted)


def test_a_complete_region_counts_in_the_frame_in_which_it_was_drawn():
    labels = Labels(np.zeros((3, 24, 30), int))
    flat = np.array([[-0.5, -0.5], [-0.5, 7.5], [7.5, 7.5], [7.5, -0.5]])
    in_frame_1 = Shapes([np.insert(flat, 0, 1, axis=1)], ndim=3)

    assert annotation(labels, in_frame_1, mode="sparse").known.any(axis=(1, 2)).tolist() == [False, True, False]
    assert annotation(labels, Shapes([flat]), mode="sparse").known.any(axis=(1, 2)).tolist() == [True] * 3


def test_a_line_is_no_region_and_a_turned_rectangle_claims_no_more_than_it_covers():
    labels = Labels(np.zeros((30, 30), int))
    regions = Shapes(ndim=2)
    regions.add_lines(np.array([[1, 1], [20, 20]]))
    regions.add_rectangles(np.array([[15, 5], [25, 15], [15, 25], [5, 15]]))

    known = annotation(labels, regions, mode="sparse").known[0]

    assert known[15, 15]
    assert not known[6, 6]
    assert 190 < known.sum() < 230


def test_labels_of_a_colour_image_and_of_channels_fit():
    colour = Image(_pixels(24, 30, 3), rgb=True)
    channels = Image(_pixels(4, 2, 24, 30))

    assert annotation(Labels(_painting()), mode="sparse", image_layer=colour).cells.shape == (1, 24, 30)
    for shape in ((4, 1, 24, 30), (4, 24, 30)):
        note = annotation(Labels(np.ones(shape, int)), mode="sparse", image_layer=channels)
        assert note.cells.shape == (4, 24, 30)


def test_labels_of_another_shape_are_refused_with_both_shapes():
    with pytest.raises(WrongAnnotation, match=r"\(24, 30\).*\(24, 31\)"):
        annotation(Labels(_painting()), image_layer=Image(_pixels(24, 31)))


@pytest.mark.parametrize(
    ("name", "layer", "mode"),
    [
        ("nuclei_3", 1, "dense"),
        ("nuclei_1", 1, "dense"),
        ("nuclei_painted", 2, "sparse"),
    ],
)
def test_the_meaning_of_labels_is_guessed_on_real_samples(name, layer, mode):
    data, _settings, _type = getattr(sample_data, name)()[layer]

    assert guess_layer_mode(Labels(data)).mode == mode


def test_a_few_cells_in_a_corner_are_a_painting():
    labels = np.zeros((100, 100), int)
    labels[5:10, 5:10], labels[5:10, 20:25] = 1, 2

    guess = guess_layer_mode(Labels(labels))

    assert guess.mode == "sparse"
    assert "part of the image" in guess.why


def test_strokes_of_background_across_the_image_are_a_painting():
    labels = np.zeros((100, 100), int)
    labels[::12] = 1
    labels[2:8, 2:8], labels[2:8, 20:28] = 2, 3

    assert guess_layer_mode(Labels(labels)).mode == "sparse"


def test_axes_said_by_the_user_win():
    viewer = ViewerModel()
    layer = viewer.add_image(_pixels(3, 24, 30))

    assert layout_of(layer, axes="CYX").derived_shape == (24, 30)
