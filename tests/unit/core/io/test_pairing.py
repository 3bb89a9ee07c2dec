"""Which label file belongs to which image, in the folders and by the names of other programs."""

from pathlib import Path

import pytest

from napari_cellseg_ssl.core.errors import WrongAnnotation
from napari_cellseg_ssl.core.io.pairing import by_products, label_key, labels_beside, pair_files


def paired(images, labels, **settings):
    """Pair names -> {image: label} without images that have none, and the labels that are not used."""
    pairs = pair_files([Path(p) for p in images], [Path(p) for p in labels], **settings)
    found = zip(pairs.images, pairs.labels, strict=True)
    return {str(i): str(label) for i, label in found if label}, [str(path) for path in pairs.unused]


LABELS = [
    "x.tif", "x_labels.tif", "x_label.png", "x_masks.tif", "x_mask.tif", "x_cp_masks.png", "x_seg.tif", "x-mask.tif",
    "x_Object Identities.tif", "x_Masks.tif", "x_labels.ome.tif", "x_labels.ome.zarr",
]  # fmt: skip
IMAGES = [
    ("000_img.png", "000_masks.png"), ("x_img.png", "x_img_cp_masks.png"), ("x_img.tif", "x_mask_img.tif"),
    ("x_raw.tif", "x_seg.tif"), ("x_mask.tif", "x_mask.tif"), ("x_mask.tif", "x_mask_labels.tif"),
]  # fmt: skip


@pytest.mark.parametrize("name", LABELS)
def test_labels_are_known_by_the_names_that_programs_give_them(name):
    assert label_key(Path(name)) == "x"
    assert paired(["i/x.tif"], [f"l/{name}"]) == ({"i/x.tif": f"l/{name}"}, [])


@pytest.mark.parametrize(("image", "label"), IMAGES)
def test_images_may_be_called_images(image, label):
    assert paired([f"i/{image}"], [f"l/{label}"])[0] == {f"i/{image}": f"l/{label}"}


@pytest.mark.parametrize("name", ["man_seg{}", "man_seg_{}", "man_track{}", "mask{}"])
@pytest.mark.parametrize("number", ["000", "0012"])
def test_names_of_the_cell_tracking_challenge_pair_with_its_frames(name, number):
    label = f"01_GT/SEG/{name.format(number)}.tif"

    assert paired([f"01/t{number}.tif"], [label])[0] == {f"01/t{number}.tif": label}


def test_the_label_of_one_slice_is_not_the_label_of_a_volume():
    assert paired(["01/t000.tif"], ["01_GT/SEG/man_seg_000_012.tif"]) == ({}, ["01_GT/SEG/man_seg_000_012.tif"])


def test_labels_of_one_sequence_are_never_those_of_another():
    images = ["d/01/t000.tif", "d/02/t000.tif", "d/02/t001.tif"]

    found, unused = paired(images, ["d/01_GT/SEG/man_seg000.tif", "d/01_GT/SEG/man_seg001.tif"])

    assert found == {"d/01/t000.tif": "d/01_GT/SEG/man_seg000.tif"}
    assert unused == ["d/01_GT/SEG/man_seg001.tif"]
    assert paired(["d/02/t000.tif"], ["d/01_ST/SEG/man_seg000.tif"])[0] == {}


@pytest.mark.parametrize(
    "folders",
    [
        ["a/images", "b/images", "a/masks", "b/masks"],
        ["images/a", "images/b", "labels/a", "labels/b"],
        ["plate 1", "plate 2", "plate 1_labels", "plate 2_labels"],
        ["here/raw/p1", "here/raw/p2", "there/p1", "there/p2"],
        ["set1/01", "set2/01", "set1/01_GT/SEG", "set2/01_GT/SEG"],
        ["a", "b", "a", "b"],
    ],
    ids=lambda folders: folders[2],
)
def test_images_of_one_name_in_several_folders_pair_within_their_own(folders):
    first, second, of_first, of_second = folders
    images, labels = [f"{first}/x.tif", f"{second}/x.tif"], [f"{of_second}/x_masks.tif", f"{of_first}/x_masks.tif"]

    assert paired(images, labels) == ({images[0]: labels[1], images[1]: labels[0]}, [])
    assert paired(images, labels[:1]) == ({images[1]: labels[0]}, [])


def test_what_folders_do_not_decide_is_refused():
    with pytest.raises(WrongAnnotation, match=r"'truth/x\.tif' could belong to images in 'a', 'b'"):
        paired(["a/x.tif", "b/x.tif"], ["truth/x.tif"])


def test_names_that_are_unique_pair_across_folders():
    images, labels = ["a/x.tif", "b/y.tif"], ["truth/y.tif", "truth/x.tif"]

    assert paired(images, labels)[0] == {"a/x.tif": "truth/x.tif", "b/y.tif": "truth/y.tif"}


def test_an_image_is_never_its_own_label():
    assert paired(["d/x.tif", "d/y.tif"], ["d/x.tif", "d/y.tif", "d/y_masks.tif"]) == (
        {"d/y.tif": "d/y_masks.tif"},
        [],
    )
    assert paired(["x.tif"], [Path("x.tif").absolute()]) == ({}, [])


def test_one_label_is_for_one_of_two_images_with_the_same_name():
    assert paired(["i/a.png", "i/a.tif"], ["l/a.tif"])[0] == {"i/a.tif": "l/a.tif"}
    assert paired(["i/a.png", "i/a.tif"], ["l/a.png"])[0] == {"i/a.png": "l/a.png"}
    assert paired(["i/a.png", "i/a.tif"], ["l/a_masks.png"])[0] == {"i/a.tif": "l/a_masks.png"}


def test_two_labels_of_one_image_are_refused():
    with pytest.raises(WrongAnnotation, match="Both"):
        paired(["01/t000.tif"], ["01_GT/SEG/man_seg000.tif", "01_GT/TRA/man_track000.tif"])


def test_predictions_pair_with_the_truth_whatever_both_are_called():
    assert paired(["t/man_seg000.tif"], ["p/mask000.tif"], images_are_labels=True)[0]
    assert paired(["t/x_masks.tif"], ["p/x_labels.tif"], images_are_labels=True)[0]
    assert paired(["t/x.tif"], ["t/x.tif"], images_are_labels=True)[0]


def test_it_is_said_how_many_pairs_there_are_and_what_was_left_out():
    images, labels = [Path("i/a.tif"), Path("i/b.tif")], [Path("l/b_masks.tif"), Path("l/z.tif")]

    text = pair_files(images, labels).describe()

    assert text.startswith("1 of 2 images have labels; without: 'a.tif'.")
    assert text.endswith("they belong to no image here: 'z.tif'.")
    assert pair_files(images[1:], labels[:1]).describe() == "1 of 1 images have labels."


def test_labels_beside_their_image_are_told_from_images():
    names = ["x.tif", "x_masks.tif", "000_img.png", "000_masks.png", "t001.tif", "man_seg001.tif", "only_mask.tif"]
    names += ["x_mask_labels.tif", "y_mask.tif", "y_mask_labels.tif", "x_flows.tif", "z_flows.tif"]
    files = [Path(name) for name in names]

    beside = {str(label): str(image) for label, image in labels_beside(files).items()}

    assert beside == {
        "x_masks.tif": "x.tif",
        "000_masks.png": "000_img.png",
        "man_seg001.tif": "t001.tif",
        "y_mask_labels.tif": "y_mask.tif",
    }
    assert by_products(files) == {Path("x_flows.tif")}
