"""A run folder gives back what was saved, and a damaged or hostile one is refused in words."""

import json
import pickle

import numpy as np
import pytest

from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.model.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.model.weights_file import load_arrays, save_arrays


def bundle_of(**changes):
    info = get_method("classical").info
    values = {
        "name": "my cells",
        "method_id": info.id,
        "train_options": info.preset(),
        "segment_options": info.segment_options(),
        "architecture": {"tag": "none", "in_channels": 1, "spatial_ndim": 2},
        "weights": {"w": np.arange(6, dtype=np.float32).reshape(2, 3)},
        "provenance": Provenance(seed=3, images={"a": "12"}, notes=("one", "two")),
        "history": ({"step": 1.0, "loss": 0.5}, {"step": 2.0, "loss": 0.25, "f1_50": 0.7}),
    }
    return ModelBundle(**{**values, **changes})


def test_everything_comes_back_bit_for_bit(tmp_path):
    bundle = bundle_of(object_diameter=17.5)
    bundle.save(tmp_path / "run")

    again = ModelBundle.load(tmp_path / "run")

    assert again.id == bundle.id
    assert np.array_equal(again.weights["w"], bundle.weights["w"])
    assert (again.object_diameter, again.provenance, again.history) == (17.5, bundle.provenance, bundle.history)
    assert again.segment_options == bundle.segment_options


def test_other_weights_are_another_model():
    assert bundle_of().id != bundle_of(weights={"w": np.zeros((2, 3), np.float32)}).id


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(WrongRun, match=r"no run\.json"):
        ModelBundle.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format 99"),
        ({"method": "nonsense"}, "no method 'nonsense'"),
        ({"train_options": {"hack": 1}}, "Unknown option 'hack'"),
        ({"provenance": {"evil": 1}}, "damaged"),
        ({"intensity": "os.system"}, "damaged"),
        ({"object_diameter": "wide"}, "damaged"),
        ({"architecture": 3}, "damaged"),
    ],
)
def test_a_changed_record_is_refused_in_words(tmp_path, change, message):
    bundle_of().save(tmp_path)
    record = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**record, **change}))

    with pytest.raises(WrongRun, match=message):
        ModelBundle.load(tmp_path)


def test_a_truncated_record_or_weights_file_is_refused(tmp_path):
    bundle_of().save(tmp_path)
    weights = (tmp_path / "weights.safetensors").read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(weights[:-5])
    with pytest.raises(WrongRun, match=r"weights\.safetensors"):
        ModelBundle.load(tmp_path)

    (tmp_path / "run.json").write_text('{"format_ver')
    with pytest.raises(WrongRun, match="damaged"):
        ModelBundle.load(tmp_path)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was executed",))


def test_a_pickle_in_the_place_of_weights_is_not_executed(tmp_path):
    bundle_of().save(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(pickle.dumps(Bomb()))

    with pytest.raises(WrongRun, match="cannot be read"):
        ModelBundle.load(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(WrongRun, match="Choose another folder"):
        bundle_of().save(tmp_path / "file" / "run")


def test_arrays_are_replaced_as_a_whole(tmp_path):
    file = tmp_path / "a.safetensors"
    save_arrays(file, {"a": np.zeros(3)}, {"step": 1})
    save_arrays(file, {"a": np.ones(3)}, {"step": 2})

    arrays, meta = load_arrays(file)

    assert arrays["a"].tolist() == [1, 1, 1]
    assert meta == {"step": 2}
    assert [f.name for f in tmp_path.iterdir()] == ["a.safetensors"]
