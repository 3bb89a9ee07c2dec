"""Starter models: in the package, checked, at once there, and right for some images only."""

import json
import shutil
import socket
import time
from dataclasses import replace
from functools import cache
from hashlib import sha256

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

import napari_cellseg_ssl as cs
from drawings import disks, picture
from napari_cellseg_ssl import samples
from napari_cellseg_ssl.cli import main
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.errors import WrongImage, WrongRun
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import Note, Step, TrainFinished, last_of
from napari_cellseg_ssl.core.model import starters as registry
from napari_cellseg_ssl.core.model.run_files import WEIGHTS_FILE
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.tasks import Control, TrainRequest, starter_selection, train

STARTERS = cs.starters()
LARGEST = 4 * 2**20
SMALL = {"steps": 2, "crop": 32, "batch": 2}
TINY = {"actis": {**SMALL, "refine_share": 0.0}, "maunet": SMALL}
NAMES = {"actis": "starter:nuclei", "maunet": "starter:nuclei-maunet"}
each = pytest.mark.parametrize("starter", STARTERS, ids=lambda one: one.name)
each_method = pytest.mark.parametrize("method", list(NAMES))


def sample(name):
    truth = tifffile.imread(samples.LABELS / f"{name}.tif")
    return tifffile.imread(samples.IMAGES / f"{name}.tif"), truth


def piece():
    """A part of a sample with all that is painted in it -> image, painting, (128, 128): enough to see what is said."""
    where = np.s_[128:256, 112:240]
    return tuple(tifffile.imread(folder / "nuclei_3.tif")[where] for folder in (samples.IMAGES, samples.PAINTED))


def of_method(method):
    return [f"starter:{one.name}" for one in STARTERS if one.method_id == method]


def untrained(bundle):
    """The same network with random convolutions."""
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(0, np.sqrt(2 / max(1, a[0].size)), a.shape).astype(np.float32) if a.ndim > 1 else a
        for name, a in bundle.weights.items()
    }
    return replace(bundle, weights=weights)


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The starters' folder, where it may be damaged."""
    shutil.copytree(registry.FOLDER, tmp_path / "starters")
    monkeypatch.setattr(registry, "FOLDER", tmp_path / "starters")
    return tmp_path / "starters"


def test_there_is_one_for_nuclei_for_each_method_and_one_for_mixed_images_and_their_titles_differ():
    assert {one.name: one.method_id for one in STARTERS} == {
        "multi": "actis",
        "nuclei": "actis",
        "nuclei-maunet": "maunet",
    }
    assert len({one.title for one in STARTERS}) == len(STARTERS)


def test_of_those_for_the_same_images_one_is_offered_as_a_first_result():
    assert [one.name for one in STARTERS if one.offered] == ["nuclei", "multi"]


@each
def test_the_file_is_the_one_that_is_registered_and_small(starter):
    content = (starter.folder / WEIGHTS_FILE).read_bytes()

    assert sha256(content).hexdigest() == starter.sha256
    assert len(content) == starter.size <= LARGEST
    assert starter.url == ""


@each
def test_it_opens_as_a_run_in_full_precision(starter):
    bundle = cs.load_run(f"starter:{starter.name}")

    assert bundle.method_id == starter.method_id
    assert {a.dtype for a in bundle.weights.values() if a.dtype.kind == "f"} == {np.dtype(np.float32)}
    assert set(bundle.provenance.images) == set(starter.sets)
    assert all(len(digest) == 64 for digest in bundle.provenance.images.values())


@each
def test_it_opens_in_no_time_and_without_a_network(starter, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("no network is needed")

    monkeypatch.setattr(socket, "socket", refuse)
    registry.load_starter(starter.name)

    begin = time.process_time()
    registry.load_starter(starter.name)

    assert time.process_time() - begin < 1.0  # about 0.1 s


@each
def test_its_card_says_what_a_card_has_to_say(starter):
    card = starter.card_file.read_text(encoding="utf-8")

    for title in ("Data", "Licence", "How it was trained", "Scores", "What it must not be used for"):
        assert f"\n## {title}\n" in card
    assert all(digest in card for digest in cs.load_run(f"starter:{starter.name}").provenance.images.values())
    assert all(f"| {name}" in card for name in starter.scores)
    assert "CC0" in card


def test_a_name_that_is_none_is_answered_with_those_there_are():
    with pytest.raises(WrongRun, match=r"no starter model 'newts'.*starter:nuclei"):
        registry.load_starter("newts")


@pytest.mark.parametrize(("content", "said"), [(b"", "missing"), (b"x", "hash begins with")])
def test_a_damaged_file_is_refused(copied, content, said):
    file = copied / "nuclei" / WEIGHTS_FILE
    if content:
        file.write_bytes(file.read_bytes()[:-1] + content)
    else:
        file.unlink()

    with pytest.raises(WrongRun, match=f"{said}.*starter:nuclei"):
        registry.load_starter("nuclei")


def test_a_large_one_is_downloaded_once_and_checked(copied, tmp_path, monkeypatch):
    source = tmp_path / "large.safetensors"
    shutil.move(copied / "nuclei" / WEIGHTS_FILE, source)
    large = replace(registry.find_starter("nuclei"), url=source.as_uri())
    monkeypatch.setattr(registry, "starters", lambda: (large,))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))

    first = registry.load_starter("nuclei")
    source.unlink()

    assert registry.load_starter("nuclei").id == first.id
    (kept,) = (tmp_path / "cache").rglob("*.safetensors")
    kept.write_bytes(b"something else")
    with pytest.raises(WrongRun, match="hash"):
        registry.load_starter("nuclei")
    kept.unlink()
    with pytest.raises(WrongRun, match="cannot be downloaded"):
        registry.load_starter("nuclei")


def test_it_segments_a_sample_from_the_command_line_at_once(tmp_path):
    for name in ("nuclei_1", "nuclei_2"):
        words = ("segment", "starter:nuclei", "--images", str(samples.IMAGES / f"{name}.tif"), "--out", str(tmp_path))
        assert main(words) == 0
    classical = cs.train("classical", images=[sample("nuclei_1")[0]])
    nothing = untrained(cs.load_run("starter:nuclei"))

    for name in ("nuclei_1", "nuclei_2"):
        image, truth = sample(name)
        f1 = cs.score(tifffile.imread(tmp_path / f"{name}_labels.tif"), truth)["f1_50"]
        assert f1 > cs.score(cs.segment(nothing, image), truth)["f1_50"] + 0.3
        assert f1 > cs.score(cs.segment(classical, image), truth)["f1_50"] - 0.1


def nuclei_with_waists():
    """Nine bright nuclei on a dark ground, each of them narrower in its middle."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:200, :200].astype(float)
    truth = np.zeros(y.shape, int)
    for k, (row, column) in enumerate(((r, c) for r in (35, 100, 165) for c in (40, 105, 165)), start=1):
        angle = rng.uniform(0, np.pi)
        for side in (-8, 8):
            truth[np.hypot(y - row - side * np.sin(angle), x - column - side * np.cos(angle)) < 11] = k
    image = gaussian_filter(np.where(truth > 0, 180.0, 20.0), 1.5) + rng.normal(0, 4, truth.shape)
    return image.astype(np.float32), truth


@each
def test_where_nobody_painted_a_nucleus_with_a_waist_stays_whole(starter):
    image, truth = nuclei_with_waists()

    labels = cs.segment(f"starter:{starter.name}", image)

    assert cs.score(labels, truth)["f1_50"] == 1.0  # 0.42 to 0.64 of ACTIS' starters where waists are cut


@each_method
def test_a_grey_image_stored_as_colour_gives_the_same_cells(method):
    image, _ = piece()

    labels = cs.segment(NAMES[method], np.stack([image] * 3, axis=-1), object_diameter=13.0)

    assert labels.max() > 10
    assert cs.score(labels, cs.segment(NAMES[method], image, object_diameter=13.0))["f1_50"] > 0.99


@each_method
def test_a_model_of_ones_own_for_grey_images_still_refuses_colours(method):
    image, _ = piece()
    own, _ = trained_once(method, start_from=NAMES[method])

    assert "reads" not in own.architecture
    with pytest.raises(WrongImage, match="expects 1 channel"):
        cs.segment(own, np.stack([image] * 3, axis=-1))


@each_method
def test_colour_images_can_start_from_a_grey_model(method):
    image, painted = piece()
    model = cs.train(
        method,
        images=[np.stack([image] * 3, axis=-1)],
        labels=[painted],
        labels_mode="sparse",
        options={**TINY[method], "rate": 1e-6},
        start_from=NAMES[method],
    )

    assert model.architecture["in_channels"] == 3
    assert model.provenance.parent == cs.load_run(NAMES[method]).id


def test_they_are_listed_with_their_scores(capsys):
    assert main(["starters", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["starters"]
    assert main(["starters"]) == 0

    assert [one["name"] for one in told] == [f"starter:{one.name}" for one in STARTERS]
    assert all(0 <= f1 <= 1 for one in told for f1 in one["scores"].values())
    listed = capsys.readouterr().out
    assert all(f"starter:{one.name}  {one.title}." in listed for one in STARTERS)


def refused(capsys, *words):
    assert main([str(word) for word in words]) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err.splitlines()[-1]


def test_a_starter_cannot_be_tuned_and_what_to_do_is_said(capsys):
    words = ("tune", "starter:nuclei", "--images", samples.IMAGES, "--labels", samples.PAINTED)

    assert "is not changed" in refused(capsys, *words)


def test_a_method_with_another_network_says_that_it_cannot_start_from_it(capsys, tmp_path):
    words = ("--images", samples.IMAGES, "--labels", samples.PAINTED, "--out", tmp_path / "run")

    said = refused(capsys, "train", "maunet", *words, "--start-from", "starter:nuclei")

    assert "MAUNet cannot start from 'starter:nuclei', a model of 'actis'" in said
    assert "Choose a run of 'maunet', starter:nuclei-maunet, or start from nothing." in said


@each_method
def test_it_fits_images_of_its_kind_and_says_why(method):
    fit = cs.fits(NAMES[method], [sample(name)[0] for name in samples.NAMES])

    assert fit.fits
    assert "3 images" in fit.why


@each_method
@pytest.mark.parametrize("image", ["tissue", "volume", "noise"])
def test_it_does_not_fit_others(method, image):
    rng = np.random.default_rng(0)
    images = {
        "tissue": samples.FOLDER / "colour" / "images" / "tissue.tif",
        "volume": cs.core.data.images.ImageStack.from_array(rng.random((8, 64, 64)), "ZYX"),
        "noise": rng.normal(100, 5, (128, 128)),
    }

    fit = cs.fits(NAMES[method], images[image], object_diameter=15.0)

    assert not fit.fits
    assert fit.why


def test_a_model_without_class_probabilities_cannot_be_judged_and_says_so():
    image, _ = sample("nuclei_1")
    classical = cs.train("classical", images=[image])

    assert "no probabilities" in cs.fits(classical, image).why


def trained(method="actis", start_from="auto", **options):
    image, painted = piece()
    heard = []
    bundle = cs.train(
        method,
        images=[image],
        labels=[painted],
        labels_mode="sparse",
        options={**TINY[method], **options},
        start_from=start_from,
        on_event=heard.append,
    )
    return bundle, [event.text for event in heard if isinstance(event, Note)]


trained_once = cache(trained)
"""For tests that change nothing: any number of them look at the same training."""


@each_method
def test_a_training_that_may_choose_takes_a_fitting_one_and_says_so(method):
    bundle, notes = trained_once(method)

    (name,) = (name for name in of_method(method) if bundle.provenance.parent == cs.load_run(name).id)
    assert any(f"Starting from {name}." in note for note in notes)


def test_a_training_of_maunet_is_as_large_as_its_starter_and_says_so():
    bundle, notes = trained("maunet", width=16)

    assert bundle.architecture["width"] == cs.load_run(NAMES["maunet"]).architecture["width"]
    assert any("width 12 instead of 16" in note for note in notes)


@each_method
def test_an_interrupted_training_goes_on_from_the_starter_that_it_began_with(method, tmp_path):
    image, painted = piece()
    request = TrainRequest(
        method_id=method,
        images=(ImageStack.from_array(image, name="piece"),),
        annotations=(Annotation.from_painting(painted),),
        options=with_values(get_method(method).info.preset(), {**TINY[method], "steps": 4}),
        start_from="auto",
        out=tmp_path,
    )
    control = Control()
    for event in train(request, control):
        if isinstance(event, Step):
            control.stop()

    straight, resumed, alone = (
        last_of(train(replace(request, **how)), TrainFinished).bundle
        for how in ({"out": None}, {"resume": True}, {"out": None, "start_from": None})
    )

    assert straight.provenance.parent == resumed.provenance.parent
    assert straight.provenance.parent in [cs.load_run(name).id for name in of_method(method)]
    assert straight.id == resumed.id != alone.id


@each_method
def test_painting_that_spoils_a_starter_gives_it_back_as_it_was_and_says_so(method):
    bundle, _ = trained(method, start_from=NAMES[method], steps=30, rate=1.0)
    starter = cs.load_run(NAMES[method])

    assert bundle.architecture["returned"] == "starter"
    assert any("the starter as it was" in note for note in bundle.provenance.notes)
    assert bundle.segment_options == starter.segment_options
    assert all(
        np.array_equal(bundle.weights[name], starter.weights[name]) for name in starter.weights if "net." in name
    )


@each_method
def test_a_starter_that_does_not_fit_is_never_given_back_but_can_be_asked_for(method, monkeypatch):
    monkeypatch.setattr(starter_selection, "AGREEING", 1.1)

    bundle, notes = trained(method, start_from=NAMES[method], steps=30, rate=1.0)

    assert bundle.provenance.parent == cs.load_run(NAMES[method]).id
    assert bundle.architecture["returned"] != "starter"
    assert any(f"Starting from {NAMES[method]}, though it does not seem to fit. On one image" in one for one in notes)


def test_of_several_that_fit_the_best_is_taken(monkeypatch):
    own = registry.find_starter("nuclei")
    agreements = {"good": 0.8, "better": 0.9, "unfit": 1.0}
    monkeypatch.setattr(starter_selection, "starters", lambda: tuple(replace(own, name=name) for name in agreements))
    monkeypatch.setattr(
        starter_selection, "load_starter", lambda name: replace(cs.load_run("starter:nuclei"), name=name)
    )
    monkeypatch.setattr(
        starter_selection,
        "fits",
        lambda bundle, *_, **__: starter_selection.Fit(bundle.name != "unfit", "", agreements[bundle.name]),
    )

    _, notes = trained()

    assert any("Starting from starter:better" in note for note in notes)


@each_method
def test_a_training_begins_with_nothing_where_none_fits_and_says_so(method, monkeypatch):
    monkeypatch.setattr(starter_selection, "AGREEING", 1.1)

    bundle, notes = trained(method)

    assert bundle.provenance.parent == ""
    (why,) = (note for note in notes if "Starting from nothing:" in note)
    assert all(f"{name} does not fit" in why for name in of_method(method))


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("actis", {"encoder": "resnet18", "depth": 2}, "has the network 'small', this training 'resnet18'"),
        ("maunet", {"encoder": "resnet34", "depth": 2}, "has the network 'resnet18', this training 'resnet34'"),
        ("maunet", {"proxy": False}, "has the proxy class 'True', this training 'False'"),
    ],
)
def test_a_training_of_another_network_begins_with_nothing_and_says_so(method, options, said):
    bundle, notes = trained(method, **options)

    assert bundle.provenance.parent == ""
    assert any(said in note for note in notes)


def test_a_method_without_starters_says_so(fake_method):
    cells = disks()
    heard = []

    cs.train("fake", images=picture(cells), object_diameter=10.0, start_from="auto", on_event=heard.append)

    assert any("no starter model of" in event.text for event in heard if isinstance(event, Note))


@each_method
def test_none_and_a_name_are_understood_too(method):
    assert trained_once(method, start_from="none")[0].provenance.parent == ""
    assert trained_once(method, start_from=NAMES[method])[0].provenance.parent == cs.load_run(NAMES[method]).id
