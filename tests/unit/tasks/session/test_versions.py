"""Versions and sessions on disk: what is written comes back bit for bit, or is refused."""

import json
import os
import time
from dataclasses import replace

import numpy as np
import pytest

from drawings import disks, painting, picture
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongRun
from napari_cellseg_ssl.core.methods import registry
from napari_cellseg_ssl.core.methods.events import TrainFinished, last_of
from napari_cellseg_ssl.core.model.weights_file import load_arrays, save_arrays
from napari_cellseg_ssl.tasks import TrainRequest, train
from napari_cellseg_ssl.tasks.session.folder import (
    KEPT_DAYS,
    KEPT_SESSIONS,
    OpenImage,
    SessionRecord,
    new_room,
    read_record,
    rooms,
    tidy,
    write_record,
)
from napari_cellseg_ssl.tasks.session.saved_layers import KeptLayer, load_layer, load_layers, save_layer
from napari_cellseg_ssl.tasks.session.versions import add_version, interrupted, list_versions, load_version, next_folder


@pytest.fixture
def bundle(monkeypatch):
    monkeypatch.setattr(registry, "METHODS", {"fake": "fakes"})
    image = ImageStack.from_array(picture(disks()), "YX", name="disks")
    return last_of(train(TrainRequest(method_id="fake", images=(image,), object_diameter=11.0)), TrainFinished).bundle


def labels(pixels=None, key="one", kind="labels"):
    arrays = (painting(disks()) if pixels is None else pixels,)
    settings = {"name": "disks · annotation", "kind": "annotation", "scale": [0.5, 0.5]}
    return KeptLayer(key=key, kind=kind, image="f00d", image_name="disks", arrays=arrays, settings=settings)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint16, np.int64, bool])
@pytest.mark.parametrize("shape", [(7, 9), (2, 3, 5, 4), (0, 4)])
def test_a_layer_comes_back_as_it_was(tmp_path, dtype, shape):
    pixels = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    save_layer(tmp_path, labels(pixels))
    found = load_layer(tmp_path / "one.safetensors")
    assert found.arrays[0].dtype == pixels.dtype
    np.testing.assert_array_equal(found.arrays[0], pixels)
    assert found.settings == labels().settings
    assert found.hash == labels(pixels).hash
    found.arrays[0][...] = 0  # it may be painted on


def test_shapes_of_different_lengths_come_back(tmp_path):
    shapes = replace(labels(kind="shapes"), arrays=(np.zeros((4, 2)), np.ones((7, 2)) / 3))
    save_layer(tmp_path, shapes)
    found = load_layer(tmp_path / "one.safetensors")
    assert [array.shape for array in found.arrays] == [(4, 2), (7, 2)]
    assert found.hash == shapes.hash


def test_an_annotation_takes_a_hundredth_of_its_size_on_disk(tmp_path):
    pixels = np.zeros((1024, 1024), np.int32)
    pixels[100:300, 200:400] = 7
    save_layer(tmp_path, labels(pixels))
    assert (tmp_path / "one.safetensors").stat().st_size < pixels.nbytes / 100


def test_one_pixel_makes_another_hash():
    pixels = painting(disks())
    changed = pixels.copy()
    changed[0, 0] += 1
    assert labels(pixels).hash != labels(changed).hash
    assert labels(pixels).hash != labels(pixels.astype(np.int64)).hash


def test_a_damaged_layer_is_refused_and_does_not_hide_the_others(tmp_path):
    save_layer(tmp_path, labels())
    save_layer(tmp_path, labels(key="two"))
    file = tmp_path / "one.safetensors"
    file.write_bytes(file.read_bytes()[:-20] + bytes(20))
    with pytest.raises(WrongRun):
        load_layer(file)
    assert [layer.key for layer in load_layers(tmp_path)] == ["two"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WrongAnnotation, match="cannot be written"):
        save_layer(tmp_path / "file", labels())


def test_versions_are_numbered_listed_and_come_back(tmp_path, bundle):
    for pixels in (painting(disks()), disks()):
        add_version(next_folder(tmp_path, "fake"), bundle, [labels(pixels)], "learned")
    first, second = list_versions(tmp_path)
    assert (first.number, second.number) == (1, 2)
    assert first.score == bundle.provenance.scores.get("f1")
    assert first.n_cells == len(np.unique(painting(disks()))) - 2
    found, (layer,) = load_version(first)
    assert found.id == bundle.id
    np.testing.assert_array_equal(layer.arrays[0], painting(disks()))


@pytest.mark.parametrize(
    ("scores", "shown"),
    [({"f1": 0.7, "student_f1": 0.8, "tuned_f1": 0.95}, 0.7), ({"tuned_f1": 0.9}, None), ({}, None)],
)
def test_a_version_shows_its_score_on_held_out_cells_and_no_better_one(tmp_path, bundle, scores, shown):
    bundle = replace(bundle, provenance=replace(bundle.provenance, scores=scores))
    assert add_version(next_folder(tmp_path, "fake"), bundle, [], "learned").score == shown


def test_equal_weights_are_one_file(tmp_path, bundle):
    first = add_version(next_folder(tmp_path, "fake"), bundle, [], "learned")
    second = add_version(next_folder(tmp_path, "fake"), bundle, [], "tuned", first)
    assert os.path.samefile(first.folder / "weights.safetensors", second.folder / "weights.safetensors")
    other = replace(bundle, weights={name: array + 1 for name, array in bundle.weights.items()})
    third = add_version(next_folder(tmp_path, "fake"), other, [], "learned", second)
    assert third.weights != second.weights
    assert load_version(first)[0].id == bundle.id


@pytest.mark.parametrize("gone", ["weights.safetensors", "labels/one.safetensors"])
def test_a_version_that_is_no_longer_what_it_was_is_refused(tmp_path, bundle, gone):
    version = add_version(next_folder(tmp_path, "fake"), bundle, [labels()], "learned")
    (version.folder / gone).unlink()
    with pytest.raises(WrongRun, match="changed or removed"):
        load_version(version)


def test_a_training_without_a_model_counts_as_interrupted_and_keeps_its_number(tmp_path, bundle):
    folder = next_folder(tmp_path, "fake")
    folder.mkdir(parents=True)
    assert interrupted(tmp_path) is None
    (folder / "checkpoint.safetensors").write_bytes(b"")
    assert interrupted(tmp_path) == folder
    assert list_versions(tmp_path) == ()
    assert next_folder(tmp_path, "fake").name == "002 fake"


def test_a_session_comes_back_and_a_damaged_one_is_none(tmp_path):
    image = OpenImage(name="a", fingerprint="1", path="/a.tif", sample=("p", "s"))
    record = SessionRecord(images=(image,), layers=("x",), version=2, n_cells=5, settings={"preset": "fast"})
    room = new_room(tmp_path)
    write_record(room, record)
    assert read_record(room) == record
    assert rooms(tmp_path) == [room]
    (room / "session.json").write_text("{")
    assert read_record(room) is None


GOOD = {"images": [], "layers": [], "closed": False}


@pytest.mark.parametrize(
    "content",
    [
        '"x"',
        "null",
        "3",
        "[]",
        "[" * 100_000,
        '{"a":' * 100_000,
        "{}",
        *(
            json.dumps({**GOOD, **change})
            for change in (
                {"images": "ab"},
                {"images": [3]},
                {"images": [None]},
                {"images": [{"name": "a", "fingerprint": "1", "sample": 3}]},
                {"images": [{"name": "a", "fingerprint": 3, "sample": []}]},
                {"layers": "ab"},
                {"layers": 3},
                {"settings": []},
                {"settings": None},
                {"n_cells": "many"},
                {"version": "2"},
                {"diameter": "wide"},
                {"diameter": -3},
                {"diameter": float("nan")},
                {"method_id": 3},
                {"image": None},
                {"unknown": 1},
            )
        ),
        json.dumps(GOOD)[:-1] + ', "diameter": 1e999}',
        json.dumps(GOOD)[:-1] + ', "diameter": ' + "9" * 400 + "}",
        "\x00",
    ],
    ids=lambda content: content[:30] + content[-30:],
)
def test_a_session_whose_record_is_none_is_passed_over(tmp_path, content):
    room = new_room(tmp_path)
    room.mkdir()
    (room / "session.json").write_text(json.dumps(GOOD))
    assert read_record(room) is not None

    (room / "session.json").write_text(content)

    assert read_record(room) is None


def test_a_session_whose_record_is_a_folder_is_passed_over(tmp_path):
    (tmp_path / "a" / "session.json").mkdir(parents=True)

    assert [read_record(room) for room in rooms(tmp_path)] == [None]


@pytest.mark.parametrize(
    "change",
    [{"when": "yesterday"}, {"when": 3}, {"n_cells": "x"}, {"score": "x"}, {"labels": "x"}, {"name": 3}, {"evil": 1}],
    ids=str,
)
def test_a_version_whose_record_is_none_is_left_out(tmp_path, bundle, change):
    version = add_version(next_folder(tmp_path, "fake"), bundle, [], "learned")
    add_version(next_folder(tmp_path, "fake"), bundle, [], "learned")
    file = version.folder / "version.json"

    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert [found.number for found in list_versions(tmp_path)] == [2]

    file.write_text("[" * 100_000)
    assert [found.number for found in list_versions(tmp_path)] == [2]


def test_folders_of_the_users_own_are_no_versions(tmp_path, bundle):
    (tmp_path / "001x of mine").mkdir(parents=True)
    (tmp_path / "999 fake").mkdir()

    assert next_folder(tmp_path, "fake").name == "1000 fake"
    (tmp_path / "1000 fake").mkdir()
    assert next_folder(tmp_path, "fake").name == "1001 fake"


def lying(folder, **changes):
    """Write a layer whose record says something else than it holds."""
    save_layer(folder, labels())
    arrays, meta = load_arrays(folder / "one.safetensors")
    save_arrays(folder / "one.safetensors", arrays, {**meta, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"shapes": [[10**9, 10**9]]},
        {"shapes": [[2**62, 2]]},
        {"shapes": [[-64, -64]]},
        {"shapes": [["a"]]},
        {"shapes": None},
        {"dtypes": ["O"]},
        {"dtypes": ["V4"]},
        {"dtypes": [3]},
        {"kind": "evil"},
        {"kind": None},
        {"settings": None},
        {"settings": [["name", "a"]]},
        {"settings": {"name": 3, "kind": "annotation"}},
        {"settings": {}},
        {"shapes": [], "dtypes": []},
    ],
    ids=str,
)
def test_a_layer_that_lies_about_itself_is_refused(tmp_path, changes):
    lying(tmp_path, **changes)

    with pytest.raises(WrongRun, match="damaged"):
        load_layer(tmp_path / "one.safetensors")


def test_a_layer_that_unpacks_to_more_than_it_says_gets_no_memory_for_it(tmp_path):
    import tracemalloc

    save_layer(tmp_path, labels(np.zeros((4096, 4096), np.int32)))
    arrays, meta = load_arrays(tmp_path / "one.safetensors")
    save_arrays(tmp_path / "one.safetensors", arrays, {**meta, "shapes": [[4, 4]]})

    tracemalloc.start()
    with pytest.raises(WrongRun, match="damaged"):
        load_layer(tmp_path / "one.safetensors")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 4 * 2**20


def test_only_old_sessions_beyond_the_newest_are_removed(tmp_path):
    begin = time.time()
    for number in range(KEPT_SESSIONS + 4):
        days = KEPT_DAYS + 10 - number if number < 3 else 0
        file = tmp_path / f"{number:02d}" / "session.json"
        file.parent.mkdir()
        file.write_text(json.dumps({}))
        os.utime(file, (begin, begin - 86400 * days - KEPT_SESSIONS + number))
    tidy(tmp_path, lambda room: room.name == "01")
    gone = {f"{number:02d}" for number in range(KEPT_SESSIONS + 4)} - {room.name for room in rooms(tmp_path)}
    assert gone == {"00", "02"}
