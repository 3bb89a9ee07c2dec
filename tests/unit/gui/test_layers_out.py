"""Layers made from results lie exactly on their image, and what a person made or changed is never touched."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.methods.base import MethodInfo
from napari_cellseg_ssl.core.methods.events import MapsReady
from napari_cellseg_ssl.gui.layers.outputs import find_layer, show_labels, show_maps
from napari_cellseg_ssl.gui.layers.tags import KEY
from napari_cellseg_ssl.gui.layers.window_layers import show_preview
from napari_cellseg_ssl.gui.session.image_source import image_source
from napari_cellseg_ssl.gui.session.results import drawing
from napari_cellseg_ssl.tasks import Control

SHAPES = {
    "2D": ((24, 30), {}),
    "T": ((4, 24, 30), {}),
    "RGB": ((24, 30, 3), {"rgb": True}),
    "T RGB": ((4, 24, 30, 3), {"rgb": True}),
    "C first": ((2, 24, 30), {"axis_labels": ("c", "y", "x")}),
    "C inside": ((4, 2, 24, 30), {}),
    "C last": ((24, 30, 2), {"axis_labels": ("y", "x", "c")}),
    "TZ": ((2, 5, 24, 30), {"axis_labels": ("t", "z", "y", "x")}),
}
TURN = np.deg2rad(30)
TRANSFORMS = {
    "plain": lambda ndim: {},
    "scaled": lambda ndim: {"scale": np.linspace(2, 0.25, ndim), "units": "um"},
    "translated": lambda ndim: {"translate": np.arange(ndim) * 7.5 - 3},
    "rotated": lambda ndim: {"rotate": _turned(ndim), "scale": [1.0] * (ndim - 2) + [0.5, 0.25]},
    "affine": lambda ndim: {"affine": _affine(ndim), "translate": [3.0] * ndim},
    "sheared": lambda ndim: {"shear": _sheared(ndim), "scale": np.linspace(1, 2, ndim)},
}


def _turned(ndim):
    matrix = np.eye(ndim)
    matrix[-2:, -2:] = [[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]]
    return matrix


def _sheared(ndim):
    matrix = np.eye(ndim)
    matrix[-2, -1] = 0.3
    return matrix


def _affine(ndim):
    matrix = np.eye(ndim + 1)
    matrix[-3:-1, -3:-1] = [[0.4, 0.1], [-0.2, 0.6]]
    matrix[-3:-1, -1] = [11, -5]
    return matrix


def _viewer_with(shape, *, transform="plain", name="cells", **settings):
    viewer = ViewerModel()
    ndim = len(shape) - bool(settings.get("rgb"))
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    return viewer, viewer.add_image(pixels, name=name, **settings, **TRANSFORMS[transform](ndim))


def _frames_of(image):
    stack = image_source(image, ndim=2).read()
    n = len(stack.frames) * int(np.prod(stack.spatial_shape))
    return np.arange(n, dtype=np.int32).reshape(len(stack.frames), *stack.spatial_shape)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("kind", SHAPES)
def test_labels_cover_the_same_place_in_the_world_as_their_image(kind, transform):
    shape, settings = SHAPES[kind]
    viewer, image = _viewer_with(shape, transform=transform, **settings)

    labels = show_labels(viewer, image, _frames_of(image), method="cellulus")

    wanted, got = image._extent_world_augmented, labels._extent_world_augmented
    np.testing.assert_allclose(got, wanted[:, -labels.ndim :])
    kept = range(image.ndim - labels.ndim, image.ndim)
    assert tuple(labels.units) == tuple(image.units[i] for i in kept)
    assert tuple(labels.axis_labels) == tuple(image.axis_labels[i] for i in kept)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("kind", SHAPES)
def test_every_image_pixel_has_its_own_label_under_it(kind, transform):
    shape, settings = SHAPES[kind]
    viewer, image = _viewer_with(shape, transform=transform, **settings)
    frames = _frames_of(image)
    labels = show_labels(viewer, image, frames, method="cellulus")

    stack = image_source(image, ndim=2).read()
    rng = np.random.default_rng(1)
    for pixel in [rng.integers(0, image.data.shape[: image.ndim]) for _ in range(20)]:
        world = image.data_to_world(pixel)
        below = np.round(labels.world_to_data(world)).astype(int)
        by_axis = dict(zip(stack.axes, pixel, strict=False))
        samples = [int(by_axis[a]) for a in stack.axes if a in "TSN"]
        sizes = [shape[stack.axes.index(a)] for a in stack.axes if a in "TSN"]
        frame = int(np.ravel_multi_index(samples, sizes)) if samples else 0
        assert labels.data[tuple(below)] == frames[frame, by_axis["Y"], by_axis["X"]]


def test_layers_are_named_after_image_and_kind_and_say_what_made_them():
    viewer, image = _viewer_with((24, 30))

    layer = show_labels(viewer, image, _frames_of(image), method="cellulus", bundle="abc", settings={"bandwidth": 3.0})

    tag = layer.metadata[KEY]
    assert layer.name == "cells · instances"
    assert {name: tag[name] for name in ("kind", "method", "image", "bundle", "settings")} == {
        "kind": "instances",
        "method": "cellulus",
        "image": "cells",
        "bundle": "abc",
        "settings": {"bandwidth": 3.0},
    }
    assert tag["version"]


def _squares():
    """Two instances, ids 1 and 2."""
    labels = np.zeros((1, 24, 30), np.int32)
    labels[0, 2:12, 2:12], labels[0, 10:20, 15:25] = 1, 2
    return labels


def test_a_new_result_replaces_the_pixels_of_its_own_layer():
    viewer, image = _viewer_with((24, 30))
    first = show_labels(viewer, image, _frames_of(image), method="cellulus")
    first.name = "renamed by the user"

    second = show_labels(viewer, image, _frames_of(image) * 0 + 5, method="cellulus")

    assert second is first
    assert len(viewer.layers) == 2
    assert (second.data == 5).all()


@pytest.mark.parametrize("edit", ["painted", "written in place"])
def test_edited_instances_are_kept_in_the_next_result(edit):
    viewer, image = _viewer_with((24, 30))
    first = show_labels(viewer, image, _squares(), method="cellulus")
    if edit == "painted":
        first.data_setitem((np.array([12]), np.array([4])), 1)
    else:
        first.data[12, 4] = 1

    second = show_labels(viewer, image, np.roll(_squares(), 1, axis=-1), method="cellulus")
    third = show_labels(viewer, image, np.roll(_squares(), 2, axis=-1), method="cellulus")

    assert first is second is third
    np.testing.assert_array_equal(
        first.data == 1, (_squares()[0] == 1) | (np.indices((24, 30)) == [[[12]], [[4]]]).all(0)
    )
    np.testing.assert_array_equal(first.data == 2, np.roll(_squares(), 2, axis=-1)[0] == 2)


def test_a_layer_that_was_given_other_pixels_is_left_alone_and_the_result_gets_a_new_one():
    viewer, image = _viewer_with((24, 30))
    first = show_labels(viewer, image, _frames_of(image), method="cellulus")
    first.data = np.full((24, 30), 9999)

    second = show_labels(viewer, image, _frames_of(image) * 0 + 5, method="cellulus")
    third = show_labels(viewer, image, _frames_of(image) * 0 + 6, method="cellulus")

    assert (first.data == 9999).all()
    assert first in viewer.layers
    assert second is third is not first
    assert second.name == "cells · instances 2"


def test_an_edit_before_the_next_result_cannot_be_undone_into_it():
    viewer, image = _viewer_with((24, 30))
    layer = show_labels(viewer, image, _squares(), method="cellulus")
    layer.data_setitem((np.array([12]), np.array([4])), 1)
    show_labels(viewer, image, np.roll(_squares(), 1, axis=-1), method="cellulus")
    before = layer.data.copy()

    layer.undo()
    layer.redo()

    np.testing.assert_array_equal(layer.data, before)


def test_undoing_an_edit_makes_the_layer_writable_again():
    viewer, image = _viewer_with((24, 30))
    first = show_labels(viewer, image, _frames_of(image), method="cellulus")
    first.data_setitem((np.array([3]), np.array([4])), 9999)
    first.undo()

    assert show_labels(viewer, image, _frames_of(image) * 0, method="cellulus") is first


def test_a_layer_of_the_user_with_our_name_is_left_alone():
    viewer, image = _viewer_with((24, 30))
    mine = viewer.add_labels(np.ones((24, 30), int), name="cells · instances")

    ours = show_labels(viewer, image, _frames_of(image), method="cellulus")

    assert (mine.data == 1).all()
    assert ours.name == "cells · instances 2"


def test_a_duplicate_made_by_the_user_is_left_alone():
    viewer, image = _viewer_with((24, 30))
    first = show_labels(viewer, image, _frames_of(image), method="cellulus")
    copy = Labels(first.data.copy(), metadata={KEY: dict(first.metadata[KEY])}, name="my copy")
    viewer.add_layer(copy)

    show_labels(viewer, image, _frames_of(image) * 0 + 5, method="cellulus")

    assert (first.data == 5).all()
    np.testing.assert_array_equal(copy.data, _frames_of(image)[0])


def test_methods_have_layers_of_their_own_and_the_newest_is_seen():
    viewer, image = _viewer_with((24, 30))
    cellulus = show_labels(viewer, image, _frames_of(image), method="cellulus")
    actis = show_labels(viewer, image, _frames_of(image), method="actis")

    assert (cellulus.name, actis.name) == ("cells · instances", "cells · instances (actis)")
    assert (cellulus.visible, actis.visible) == (False, True)
    assert find_layer(viewer, image, "instances", "cellulus") is cellulus
    assert find_layer(viewer, image, "instances") is actis

    cellulus.visible = True
    show_labels(viewer, image, _frames_of(image), method="actis")
    assert cellulus.visible, "what the user shows again stays shown"


def test_the_reference_is_outlined_below_the_result_and_leaves_it_the_name():
    viewer, image = _viewer_with((24, 30))
    reference = show_labels(viewer, image, _frames_of(image), method="classical", is_reference=True)
    result = show_labels(viewer, image, _frames_of(image), method="cellulus")
    chosen = show_labels(viewer, image, _frames_of(image), method="classical")

    assert (reference.name, result.name) == ("cells · instances (classical)", "cells · instances")
    assert (reference.contour, result.contour) == (1, 0)
    assert reference.visible
    assert chosen is not reference
    assert viewer.layers.index(reference) < viewer.layers.index(result)
    assert show_labels(viewer, image, _frames_of(image) * 0, method="classical", is_reference=True) is reference


def test_there_is_never_more_than_one_preview():
    viewer, image = _viewer_with((24, 30))
    labels = np.ones((1, 24, 30), np.int32)
    window = {"frame": 0, "region": (slice(0, 24), slice(0, 30))}
    first = show_preview(viewer, image, _maps(1, (24, 30), (24, 30), 1.0), labels, method="cellulus", **window)
    second = show_preview(viewer, image, _maps(1, (24, 30), (24, 30), 1.0), labels, method="actis", **window)
    assert second is first
    assert list(viewer.layers) == [image, first]


def test_two_images_of_the_same_name_keep_their_layers_apart():
    viewer, first_image = _viewer_with((24, 30))
    second_image = viewer.add_image(np.zeros((24, 30)), name="other")
    second_image.name = "cells"
    first = show_labels(viewer, first_image, _frames_of(first_image), method="cellulus")
    second = show_labels(viewer, second_image, _frames_of(second_image) * 0, method="cellulus")

    assert first is not second
    assert find_layer(viewer, first_image, "instances") is first


def test_showing_a_result_does_not_take_the_brush_from_the_user():
    viewer, image = _viewer_with((24, 30))
    painting = viewer.add_labels(np.zeros((24, 30), int))
    viewer.camera.zoom = 3.3

    show_labels(viewer, image, _frames_of(image), method="cellulus")

    assert viewer.layers.selection.active is painting
    assert viewer.camera.zoom == 3.3


def test_while_a_layer_is_added_nobody_hears_of_another_selection():
    viewer, image = _viewer_with((24, 30))
    painting = viewer.add_labels(np.zeros((24, 30), int))
    heard = []
    viewer.layers.selection.events.active.connect(heard.append)
    viewer.layers.selection.events.changed.connect(heard.append)

    show_labels(viewer, image, _frames_of(image), method="cellulus")

    assert heard == []
    assert set(viewer.layers.selection) == {painting}


def test_a_layer_follows_an_image_that_was_moved():
    viewer, image = _viewer_with((24, 30))
    layer = show_labels(viewer, image, _frames_of(image), method="cellulus")
    image.scale, image.translate = (0.5, 0.5), (10, 20)

    show_labels(viewer, image, _frames_of(image), method="cellulus")

    np.testing.assert_allclose(layer.extent.world, image.extent.world)


def test_a_result_for_a_deleted_image_is_still_shown():
    viewer, image = _viewer_with((24, 30))
    frames = _frames_of(image)
    viewer.layers.remove(image)

    assert show_labels(viewer, image, frames, method="cellulus") in viewer.layers


INFO = MethodInfo(
    id="demo",
    title="Demo",
    summary="",
    citation="",
    labels="none",
    spatial_ndims=(2,),
    train_options=object,
    segment_options=object,
    maps=(
        MapSpec("offset", "embedding", 2, in_pixels=True),
        MapSpec("spread", "embedding-uncertainty", 1),
        MapSpec("classes", "probability", 3),
        MapSpec("pseudo", "pseudo-labels", 1),
        MapSpec("raw", "intensity", 1),
    ),
)


def _maps(n, working, source, scale):
    rng = np.random.default_rng(0)
    return PredictionMaps(
        arrays={s.name: rng.random((n, s.channels, *working)).astype(np.float32) for s in INFO.maps},
        specs={s.name: s for s in INFO.maps},
        scale=scale,
        source_shape=source,
        diameter=8.0,
        bundle_id="abc",
        image_name="cells",
    )


def test_maps_become_one_layer_of_each_kind_on_the_image_and_the_copy_of_the_image_is_not_shown():
    viewer, image = _viewer_with((4, 24, 30), transform="scaled")

    layers = show_maps(viewer, image, _maps(4, (12, 15), (24, 30), 0.5), INFO)

    assert [layer.metadata[KEY]["kind"] for layer in layers] == [
        "embedding",
        "embedding-uncertainty",
        "probability",
        "pseudo-labels",
    ]
    for layer in layers:
        np.testing.assert_allclose(layer.extent.world, image.extent.world)
    assert layers[0].rgb
    assert isinstance(layers[3], Labels)
    assert show_maps(viewer, image, _maps(4, (12, 15), (24, 30), 0.5), INFO) == layers


def test_instances_lie_above_maps_and_the_annotation_above_both():
    viewer, image = _viewer_with((24, 30))
    instances = show_labels(viewer, image, _frames_of(image), method="demo")
    annotation = show_labels(viewer, image, _frames_of(image), kind="annotation", method="")
    maps = show_maps(viewer, image, _maps(1, (24, 30), (24, 30), 1.0), INFO)

    order = list(viewer.layers)
    assert order.index(image) < min(order.index(layer) for layer in maps)
    assert max(order.index(layer) for layer in maps) < order.index(instances) < order.index(annotation)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_preview_lies_where_its_window_is(transform):
    viewer, image = _viewer_with((4, 24, 30), transform=transform)
    window = (slice(5, 15), slice(10, 26))

    layer = show_preview(
        viewer,
        image,
        _maps(1, (10, 16), (10, 16), 1.0),
        np.ones((1, 10, 16), np.int32),
        frame=2,
        region=window,
        method="demo",
    )

    assert layer.rgb
    for corner in ((0, 0), (9, 15)):
        in_image = image.world_to_data(layer.data_to_world((0, *corner)))
        np.testing.assert_allclose(in_image, (2, corner[0] + 5, corner[1] + 10), atol=1e-9)


def test_an_embedding_shows_direction_as_hue_and_length_as_brightness():
    viewer, image = _viewer_with((24, 30))
    maps = _maps(1, (24, 30), (24, 30), 1.0)
    offsets = np.zeros((1, 2, 24, 30), np.float32)
    offsets[0, 1, :, 20:25] = 2.0
    offsets[0, 1, :, 25:] = 4.0
    offsets += 7.0  # shared by all: it means nothing
    maps = PredictionMaps(**{**vars(maps), "arrays": {**maps.arrays, "offset": offsets}})

    colours = show_maps(viewer, image, maps, INFO)[0].data

    assert colours[0, 0].tolist() == [0, 0, 0]
    assert colours[0, 28].tolist() == [255, 0, 0], "to the right, by half a diameter"
    assert colours[0, 22].tolist() == [127, 0, 0]


def test_each_map_of_a_prediction_is_drawn_in_the_worker_as_an_event_of_its_own():
    maps = _maps(1, (24, 30), (24, 30), 1.0)

    events = list(drawing(lambda control: iter([MapsReady(maps)]))(Control()))

    assert isinstance(events[0], MapsReady)
    assert [list(event.pictures) for event in events[1:]] == [["offset"], ["spread"], ["classes"], ["pseudo"]]
