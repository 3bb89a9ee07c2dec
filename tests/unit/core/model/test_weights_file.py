"""Arrays on disk: a full disk is said as it is, nobody is shut out, and what is no weights is refused on reading."""

import errno
import json
import os
import stat
import struct
import subprocess
import sys

import numpy as np
import pytest
import safetensors
import torch

from napari_cellseg_ssl.core.errors import WrongOption, WrongRun
from napari_cellseg_ssl.core.model import messages as model_messages
from napari_cellseg_ssl.core.model import starters
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.weights_file import load_arrays, save_arrays
from napari_cellseg_ssl.core.nets import released_weights
from napari_cellseg_ssl.core.nets.encoder_weights import load_encoder
from napari_cellseg_ssl.core.nets.resnet_encoder import ResNetEncoder
from napari_cellseg_ssl.core.training import messages as training_messages
from napari_cellseg_ssl.core.training.optimiser_state import optimiser_arrays, restore_optimiser
from napari_cellseg_ssl.core.training.weights import load_weights, weights_of
from saying import saying

posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions and limits of POSIX")


@pytest.fixture
def starter(tmp_path):
    """A run folder as somebody would give it away."""
    bundle = starters.load_starter("nuclei")
    bundle.save(tmp_path / "run")
    return tmp_path / "run"


def rewritten(folder, change):
    """Change the weights of a run folder behind the back of the package."""
    arrays, _ = load_arrays(folder / "weights.safetensors")
    arrays = {name: np.array(array) for name, array in arrays.items()}
    change(arrays)
    save_arrays(folder / "weights.safetensors", arrays)


def with_header(file, change):
    """Change what a safetensors file says about itself, not what it holds."""
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def largest(arrays):
    return max((name for name in arrays if arrays[name].dtype.kind == "f"), key=lambda name: arrays[name].size)


# Writing


def test_whatever_the_library_complains_about_is_an_error_of_writing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.numpy.save", full)

    with pytest.raises(OSError, match="No space left"):
        save_arrays(tmp_path / "a.safetensors", {"a": np.zeros(3)})
    assert not list(tmp_path.iterdir())


@posix
def test_a_disk_that_is_full_leaves_the_file_of_before_and_no_half(tmp_path):
    file = tmp_path / "a.safetensors"
    save_arrays(file, {"a": np.zeros(3)})
    code = (
        "import resource, sys, numpy as np; from pathlib import Path\n"
        "from napari_cellseg_ssl.core.model.weights_file import save_arrays\n"
        "import safetensors.numpy\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: save_arrays(Path(sys.argv[1]), {'a': np.ones(10_000)})\n"
        "except OSError as problem: print(problem.errno)"
    )

    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)

    assert int(done.stdout) == errno.EFBIG
    assert load_arrays(file)[0]["a"].tolist() == [0, 0, 0]
    assert list(tmp_path.iterdir()) == [file]


@posix
def test_every_file_of_a_run_may_be_read_by_the_group_if_new_files_may(starter):
    before = os.umask(0o022)
    os.umask(before)

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in starter.iterdir()}

    assert set(modes.values()) == {0o666 & ~before}, modes


def test_arrays_of_any_order_and_without_axes_come_back(tmp_path):
    arrays = {"turned": np.arange(6).reshape(2, 3).T, "cut": np.arange(10)[::3], "one": np.array(3.5)}

    save_arrays(tmp_path / "a", arrays)

    found = load_arrays(tmp_path / "a")[0]
    assert all(
        np.array_equal(found[name], array) and found[name].shape == array.shape for name, array in arrays.items()
    )


# Reading


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_run_whose_weights_are_no_numbers_is_refused_when_it_is_opened(starter, number):
    def spoil(arrays):
        arrays[largest(arrays)].flat[7] = number

    rewritten(starter, spoil)

    with pytest.raises(WrongRun, match=r"weights\.safetensors' holds numbers that are not finite, in 'net\."):
        ModelBundle.load(starter)


def test_a_class_that_actis_has_not_met_is_no_damage(tmp_path):
    save_arrays(tmp_path / "a", {"confidence.thresholds": np.array([0.5, np.nan], np.float32)})
    save_arrays(tmp_path / "b", {"confidence.thresholds": np.array([np.inf, np.nan], np.float32)})

    assert np.isnan(load_arrays(tmp_path / "a")[0]["confidence.thresholds"][1])
    with pytest.raises(WrongRun, match=saying(model_messages.weights_not_finite)):
        load_arrays(tmp_path / "b")


def test_large_numbers_are_numbers(tmp_path):
    save_arrays(tmp_path / "a", {"half": np.full(9, 65504, np.float16), "whole": np.full(9, 1.7e308)})

    assert load_arrays(tmp_path / "a")[0]["whole"].max() == 1.7e308


@pytest.mark.parametrize("lie", ["I32", "U32"])
def test_weights_that_lie_about_their_type_are_refused_before_an_image_is_segmented(starter, lie):
    from napari_cellseg_ssl.core.data.images import ImageStack
    from napari_cellseg_ssl.tasks import PredictRequest, predict

    name = largest(load_arrays(starter / "weights.safetensors")[0])
    with_header(starter / "weights.safetensors", lambda header: header[name].update(dtype=lie))
    bundle = ModelBundle.load(starter)
    image = ImageStack.from_array(np.random.default_rng(0).random((64, 64)))

    with pytest.raises(WrongRun, match=r"holds u?int32, not torch\.float32"):
        list(predict(PredictRequest(bundle=bundle, image=image, object_diameter=12.0)))


def test_a_run_that_lacks_what_its_method_needs_is_said_to_be_damaged(starter):
    from napari_cellseg_ssl.core.data.images import ImageStack
    from napari_cellseg_ssl.tasks import PredictRequest, predict

    rewritten(starter, lambda arrays: arrays.pop("confidence.thresholds"))
    image = ImageStack.from_array(np.random.default_rng(0).random((64, 64)))

    with pytest.raises(WrongRun, match=r"is damaged \(KeyError\('confidence\.thresholds'\)\)"):
        list(predict(PredictRequest(bundle=ModelBundle.load(starter), image=image, object_diameter=12.0)))


@pytest.mark.parametrize("record", ['"x"', "3", "[" * 50_000, "{"])
def test_a_record_that_is_none_is_refused(tmp_path, record):
    save_arrays(tmp_path / "a", {"a": np.zeros(1)})
    with_header(tmp_path / "a", lambda header: header["__metadata__"].update(cellseg_ssl=record))

    with pytest.raises(WrongRun, match="cannot be read"):
        load_arrays(tmp_path / "a")


def test_what_may_not_be_read_is_not_said_to_be_missing(starter, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "somewhere")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(WrongRun, match=r"cannot be read: Permission denied\. Ask its owner"):
        load_arrays(starter / "weights.safetensors")
    with pytest.raises(WrongRun, match=r"run' cannot be read: Permission denied\. Ask its owner"):
        ModelBundle.load(starter)
    with pytest.raises(WrongOption, match=r"cannot be read: Permission denied\. Ask its owner"):
        released_weights.read(starter / "weights.safetensors", hint="none")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "weights.safetensors")

    with pytest.raises(WrongRun, match="no file"):
        load_arrays(tmp_path / "weights.safetensors")
    with pytest.raises(WrongOption, match="no file"):
        released_weights.read(tmp_path / "weights.safetensors", hint="none")


# Networks


def test_a_layer_with_whole_numbers_is_not_put_into_a_network():
    net = torch.nn.Linear(2, 3)
    arrays = weights_of(net)
    before = net.weight.detach().clone()

    with pytest.raises(WrongRun, match="'weight' holds int32"):
        load_weights(net, {**arrays, "net.weight": np.ones((3, 2), np.int32)})
    load_weights(net, {name: array.astype(np.float64) for name, array in arrays.items()})

    assert torch.equal(net.weight, before)


@pytest.mark.parametrize("key", ["0.exp_avg", "7.exp_avg", "x.exp_avg", "exp_avg"])
def test_a_state_of_training_of_another_network_is_refused(key):
    net = torch.nn.Linear(2, 3)
    optimiser = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    arrays = optimiser_arrays(optimiser)
    restore_optimiser(torch.optim.Adam(net.parameters()), arrays)

    with pytest.raises(WrongRun, match=saying(training_messages.training_state_differs)):
        restore_optimiser(optimiser, {**arrays, f"optimiser.{key}": np.zeros((5, 5), np.float32)})


@pytest.mark.parametrize(("kind", "said"), [("NaN", "not finite"), ("int32", "int32 instead of float32")])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_for_an_encoder_that_are_no_numbers_or_of_another_kind_are_refused(tmp_path, kind, said, suffix):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    tensors = {name: tensor.clone() for name, tensor in ResNetEncoder("resnet18").state_dict().items()}
    if kind == "NaN":
        tensors["layer1.0.conv1.weight"][0, 0, 0, 0] = torch.nan
    else:
        tensors = {name: tensor.to(torch.int32) if tensor.ndim == 4 else tensor for name, tensor in tensors.items()}
    file = tmp_path / f"encoder{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(tensors, file)

    with pytest.raises(WrongOption, match=said):
        load_encoder(ResNetEncoder("resnet18"), "resnet18", str(file))
