"""What CUPre's annotated source may be, and how it arrives: scale, channels, what is unknown, and every complaint."""

import json
import os

import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools import mask as reference

from drawings import disks, picture
from napari_cellseg_ssl.core.data.diameter import diameters_of_cells
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.errors import CellSegError, WrongAnnotation, WrongImage, WrongOption
from napari_cellseg_ssl.core.methods.cupre import annotated_sets
from napari_cellseg_ssl.core.methods.cupre.source import load_source
from napari_cellseg_ssl.core.segmentation.boundaries import neighbour_pairs
from napari_cellseg_ssl.core.training import frames as learning_frames

WIDTH = 10.0
"""Working diameter; such a disk is as it was drawn where nothing else is said."""
SHAPE = (40, 60)


def load(*where, **options):
    chosen = {"in_channels": 1, "working_diameter": WIDTH, "intensity": Intensity(), "seed": 0, **options}
    return load_source(os.pathsep.join(map(str, where)), **chosen)


def square(left, top, side):
    right, bottom = left + side, top + side
    return [left, top, right, top, right, bottom, left, bottom]


def run_lengths(mask):
    coded = reference.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": coded["counts"].decode()}


def annotation(segmentation, image_id=1, **more):
    return {"image_id": image_id, "category_id": 1, "segmentation": segmentation, **more}


def scene(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8)


def coco(folder, *annotations, names=("a.png",), as_dictionary=False, pixels=None, where=".", file="x.json"):
    """Write images and a file of annotations."""
    (folder / where).mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(scene() if pixels is None else pixels).save(folder / where / name)
    images = [
        {"id": n, "file_name": name, "height": SHAPE[0], "width": SHAPE[1]} for n, name in enumerate(names, start=1)
    ]
    found = {str(n): one for n, one in enumerate(annotations)} if as_dictionary else list(annotations)
    (folder / file).write_text(json.dumps({"images": images, "annotations": found}))
    return folder / file


def pairs(folder, labels, pixels=None, *, suffix=".tif", names=("a", "b")):
    """Write images and their labels."""
    for kind, array in (("images", picture(labels) if pixels is None else pixels), ("labels", labels)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name in names:
            if suffix == ".tif":
                photometric = "rgb" if array.shape[-1] == 3 else "minisblack"
                tifffile.imwrite(folder / kind / f"{name}.tif", array, photometric=photometric)
            else:
                Image.fromarray(array.astype(np.uint8)).save(folder / kind / f"{name}{suffix}")
    return folder


def drawn(**options):
    """Disks of the working diameter."""
    return disks((64, 96), radius=5, **options).astype(np.uint16)


# --- COCO -----------------------------------------------------------------------------------------------------------


def test_polygons_and_run_lengths_of_a_coco_file_become_cells(tmp_path):
    mask = np.zeros(SHAPE, bool)
    mask[20:30, 40:50] = True
    file = coco(tmp_path, annotation([square(5, 5, 10)]), annotation(run_lengths(mask)))

    source = load(file, working_diameter=float(diameters_of_cells(mask)[0]))

    (frame,) = source.frames
    assert frame.pixels.shape == (1, *SHAPE)
    assert frame.pixels.dtype == np.float32
    assert frame.cells.dtype == np.int32
    assert np.array_equal(frame.cells == 2, mask)
    assert np.array_equal(np.argwhere(frame.cells == 1)[[0, -1]], [[5, 5], [14, 14]])
    assert frame.is_dense
    assert source.n_objects == 2
    assert source.description == "2 objects in 1 images of the COCO file x.json."


def test_a_file_like_that_of_livecell_has_a_dictionary_and_images_in_folders_of_their_own(tmp_path):
    file = coco(
        tmp_path, annotation([square(5, 5, 10)], area=100.0, iscrowd=0, bbox=[5, 5, 10, 10]),
        names=("BV2_1.png",), as_dictionary=True, where="images/BV2",
    )  # fmt: skip

    assert load(file).n_objects == 1
    assert load(tmp_path).description == "1 objects in 1 images of the COCO file x.json."


def test_images_may_lie_where_coco_itself_has_them(tmp_path):
    file = coco(tmp_path, annotation([square(5, 5, 10)]), names=("1.jpg",), where="train2017")
    (tmp_path / "annotations").mkdir()
    file = file.rename(tmp_path / "annotations" / "instances.json")

    assert load(file).n_objects == 1


def test_what_has_no_mask_to_learn_from_is_unknown(tmp_path):
    crowd = np.zeros(SHAPE, bool)
    crowd[20:40, :20] = True
    file = coco(
        tmp_path,
        annotation([square(5, 15, 10)]),  # half of it lies before the crowd
        annotation(run_lengths(crowd), iscrowd=1),
        annotation([square(50, 5, 1)], area=1, bbox=[50, 5, 1, 1]),
        annotation([[55, 35, 56, 36]]),
        annotation([], bbox=[30, 30, 10.5, 5]),
    )

    source = load(file, working_diameter=float(diameters_of_cells(np.ones((10, 10), int))[0]))

    (frame,) = source.frames
    expected = ~crowd
    expected[15:25, 5:15] = True
    expected[5, 50] = expected[35, 55] = expected[30:35, 30:41] = False
    assert np.array_equal(frame.known, expected)
    assert not frame.is_dense
    assert (
        source.description
        == "1 objects in 1 images of the COCO file x.json; left out: 1 crowd, 2 below 4 px, 1 without a mask."
    )


def test_images_that_are_not_there_are_left_out_and_counted(tmp_path):
    file = coco(tmp_path, annotation([square(5, 5, 10)]), names=("a.png", "b.png"))
    (tmp_path / "b.png").unlink()

    assert load(file).description.endswith("left out: 1 images that were not found.")


def test_frames_of_a_stack_are_annotated_one_by_one(tmp_path):
    stack = np.stack([scene(seed=0), scene(seed=1)])
    file = coco(tmp_path, annotation([square(5, 5, 10)]), names=("m.png",))
    tifffile.imwrite(tmp_path / "m.tif", stack, photometric="minisblack")
    content = json.loads(file.read_text())
    content["images"][0] |= {"file_name": "m.tif", "frame": 1}
    file.write_text(json.dumps(content))

    source = load(file, working_diameter=float(diameters_of_cells(np.ones((10, 10), int))[0]))

    assert np.array_equal(source.frames[0].pixels, Intensity().normalise(stack[1:]))

    content["images"][0] |= {"frame": 2}
    file.write_text(json.dumps(content))
    with pytest.raises(WrongImage, match=r"has 2 frames, and number 2 \(from 0\) is annotated"):
        load(file)


# --- Folders of pairs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_images_and_labels_of_the_same_names_are_pairs(tmp_path, suffix):
    labels = drawn()
    size = float(np.median(diameters_of_cells(labels)))

    source = load(pairs(tmp_path / "drawn", labels, suffix=suffix), working_diameter=size)

    assert len(source.frames) == 2
    assert all(np.array_equal(frame.cells, labels) for frame in source.frames)
    assert all(frame.is_dense for frame in source.frames)
    assert np.array_equal(source.frames[0].pixels, Intensity().normalise(picture(labels)[None]))
    assert source.description == "48 objects in 2 images of the folder drawn."


def test_frames_of_a_file_are_images(tmp_path):
    stack = np.stack([drawn(), drawn(n=4), drawn(n=2)])

    source = load(pairs(tmp_path, stack, names=("movie",)))

    assert [len(frame.cell_ids) for frame in source.frames] == [24, 4, 2]
    assert source.n_objects == 30
    assert "30 objects in 3 images" in source.description


def test_a_coco_file_beside_labels_that_are_no_images_counts(tmp_path):
    coco(tmp_path, annotation([square(5, 5, 10)]), where="images")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.1 0.1")

    assert "COCO file" in load(tmp_path).description
    assert "folder" in load(pairs(tmp_path / "both", drawn())).description


# --- Several sets ---------------------------------------------------------------------------------------------------


def test_several_sets_are_joined_and_told_apart(tmp_path):
    file = coco(tmp_path / "coco", annotation([square(5, 5, 10)]))

    source = load("shapes", file, pairs(tmp_path / "drawn", drawn()))

    assert len(source.frames) == 24 + 1 + 2
    assert source.n_objects == sum(len(frame.cell_ids) for frame in source.frames)
    assert source.description.count(".") == 4  # x.json has one
    assert "drawn shapes. 1 objects" in source.description


def test_a_path_may_have_the_separator_in_its_name(tmp_path):
    folder = pairs(tmp_path / f"one{os.pathsep}two", drawn())

    assert load(folder).n_objects == 48


# --- Channels -------------------------------------------------------------------------------------------------------


def test_grey_images_are_repeated(tmp_path):
    (frame, _) = load(pairs(tmp_path, drawn()), in_channels=3).frames

    assert frame.pixels.shape[0] == 3
    assert np.array_equal(frame.pixels[0], frame.pixels[2])


def test_colours_are_kept_or_averaged(tmp_path):
    labels = drawn()
    colours = np.stack([picture(labels), 255 - picture(labels), scene(labels.shape)], axis=-1)
    size = float(np.median(diameters_of_cells(labels)))
    folder = pairs(tmp_path, labels, colours)

    kept = load(folder, in_channels=3, working_diameter=size).frames[0]
    averaged = load(folder, in_channels=1, working_diameter=size).frames[0]

    assert np.allclose(kept.pixels, Intensity().normalise(np.moveaxis(colours, -1, 0)))
    assert np.allclose(averaged.pixels, Intensity().normalise(colours.mean(-1)[None]), atol=1e-5)


def test_other_channels_are_refused(tmp_path):
    folder = pairs(tmp_path, drawn(), np.stack([picture(drawn())] * 3, axis=-1))

    with pytest.raises(WrongImage, match=r"'a\.tif' of the source has 3 channels, .* have 2") as caught:
        load(folder, in_channels=2)
    assert caught.value.hint


# --- Scale and memory -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_objects_become_as_wide_as_they_should_be(tmp_path, factor):
    labels = disks((128, 128), radius=12, pitch=32).astype(np.uint16)
    width = factor * float(np.median(diameters_of_cells(labels)))

    (frame, _) = load(pairs(tmp_path, labels), working_diameter=width).frames

    assert frame.cells.shape == frame.known.shape == frame.pixels.shape[1:] == (128 * factor, 128 * factor)
    assert np.median(diameters_of_cells(frame.cells)) == pytest.approx(width, rel=0.05)


def test_each_image_has_its_own_scale_and_an_empty_one_that_of_the_others(tmp_path):
    for name, radius, pitch in (("small", 4, 16), ("large", 16, 64), ("middle", 8, 32)):
        pairs(tmp_path, disks((128, 128), radius, pitch).astype(np.uint16), names=(name,))
    pairs(tmp_path, np.zeros((128, 128), np.uint16), scene((128, 128)), names=("empty",))

    source = load(tmp_path, working_diameter=16.0)

    sides = {len(frame.cell_ids): frame.cells.shape[0] for frame in source.frames}
    assert sides[64] == pytest.approx(128 * 2, rel=0.05)
    assert sides[4] == pytest.approx(128 / 2, rel=0.05)
    assert sides[0] == sides[16] == pytest.approx(128, rel=0.05)


def test_nothing_is_rescaled_beyond_reason(tmp_path):
    tiny, huge = (disks((64, 64), radius, 32).astype(np.uint16) for radius in (1, 15))

    assert load(pairs(tmp_path / "tiny", tiny), working_diameter=30.0).frames[0].cells.shape == (256, 256)
    assert load(pairs(tmp_path / "huge", huge), working_diameter=1.0).frames[0].cells.shape == (8, 8)


def test_large_images_are_cut_into_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(learning_frames, "BLOCK", 32)

    source = load(pairs(tmp_path, drawn(), names=("a",)))

    assert len(source.frames) == 6
    assert "in 1 images" in source.description


def test_what_would_need_too_much_memory_is_left_out_and_counted(tmp_path):
    folder = pairs(tmp_path, drawn(), names=("a", "b", "c", "d"))
    pixels = load(folder).frames[0].known.size

    source = load(folder, most_pixels=2 * pixels)

    assert len(source.frames) == 2
    assert source.description == (
        f"48 objects in 2 images of the folder {tmp_path.name}; "
        "left out: 2 of 4 files (in part or whole) to save memory."
    )
    assert len(load(folder, most_pixels=1).frames) == 1
    assert "left out" not in load(folder, most_pixels=4 * pixels).description
    n_shapes = len(load("shapes", most_pixels=pixels).frames)
    assert len(load("shapes", folder, most_pixels=2 * pixels).frames) == n_shapes + 1  # half of it for each


def test_images_are_visited_in_an_order_that_the_seed_decides(tmp_path):
    for n in range(1, 9):
        pairs(tmp_path, drawn(n=n), names=(f"image{n}",))

    orders = [[len(frame.cell_ids) for frame in load(tmp_path, seed=seed).frames] for seed in (0, 0, 1)]

    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert sorted(orders[2]) == list(range(1, 9))


def test_images_without_content_are_left_out_and_counted(tmp_path):
    pairs(tmp_path, drawn())
    pairs(tmp_path, drawn(), np.full(drawn().shape, np.nan, np.float32), names=("c",))
    pairs(tmp_path, drawn(), np.zeros(drawn().shape, np.uint8), names=("d",))

    source = load(tmp_path)

    assert len(source.frames) == 2
    assert all(np.isfinite(frame.pixels).all() for frame in source.frames)
    assert "left out: 2 images that are constant or not finite" in source.description


# --- Shapes ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shapes():
    return load("shapes", working_diameter=24.0)


def test_shapes_are_the_same_for_the_same_seed(shapes):
    again, other = load("shapes", working_diameter=24.0), load("shapes", working_diameter=24.0, seed=1)

    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(shapes.frames, again.frames, strict=True))
    assert all(np.array_equal(a.cells, b.cells) for a, b in zip(shapes.frames, again.frames, strict=True))
    assert not np.array_equal(shapes.frames[0].cells, other.frames[0].cells)


def test_shapes_are_as_large_and_as_many_as_they_should_be(shapes):
    sizes = np.concatenate([diameters_of_cells(frame.cells) for frame in shapes.frames])

    assert len(shapes.frames) == 24
    assert all(5 <= len(frame.cell_ids) <= 40 for frame in shapes.frames)
    assert all(128 <= side <= 192 for frame in shapes.frames for side in frame.cells.shape)
    assert all(frame.is_dense for frame in shapes.frames)
    assert 20 < np.median(sizes) < 26
    assert sizes.std() > 3
    assert shapes.description == f"{shapes.n_objects} objects in 24 images of drawn shapes."


def test_shapes_are_in_one_piece_and_some_touch(shapes):
    from scipy.ndimage import label

    touching = 0
    for frame in shapes.frames:
        for index in frame.cell_ids:
            assert label(frame.cells == index)[1] == 1
        for before, after in neighbour_pairs(2):
            a, b = frame.cells[before], frame.cells[after]
            touching += len(np.unique(np.stack([a, b], -1)[(a != b) & (a > 0) & (b > 0)], axis=0))

    assert touching > shapes.n_objects / 10


def test_shapes_differ_from_the_background_and_some_are_dark(shapes):
    contrasts = [
        np.mean([frame.pixels[0][frame.cells == index].mean() for index in frame.cell_ids])
        - frame.pixels[0][frame.cells == 0].mean()
        for frame in shapes.frames
    ]

    assert np.median(np.abs(contrasts)) > 0.2
    assert 2 <= sum(contrast < 0 for contrast in contrasts) <= 18


# --- Complaints -----------------------------------------------------------------------------------------------------


def broken(folder, how):
    """Make a source with one thing wrong -> what to give as its place."""
    if how == "nothing":
        return ""
    if how == "nowhere":
        return folder / "gone"
    if how == "text":
        (folder / "notes.txt").touch()
        return folder / "notes.txt"
    if how == "two files":
        coco(folder, annotation([square(5, 5, 10)]))
        return coco(folder, annotation([square(5, 5, 10)]), file="y.json").parent
    if how == "no masks":
        return coco(folder)
    if how == "boxes":
        return coco(folder, annotation([], bbox=[1, 1, 5, 5]))
    if how == "no COCO":
        (folder / "x.json").write_text("[]")
        return folder
    if how == "image missing":
        file = coco(folder, annotation([square(5, 5, 10)]))
        (folder / "a.png").unlink()
        return file
    if how == "other size":
        return coco(folder, annotation([square(5, 5, 10)]), pixels=scene((30, 60)))
    if how == "not an image":
        file = coco(folder, annotation([square(5, 5, 10)]))
        (folder / "a.png").write_text("no pixels")
        return file
    return folder


def broken_pairs(folder, how):
    pairs(folder, drawn())
    images, labels = folder / "images", folder / "labels"
    if how == "partners":
        (images / "a.tif").rename(images / "c.tif")
    elif how in ("no images", "no labels"):
        for file in (images if how == "no images" else labels).iterdir():
            file.unlink()
    elif how == "same name":
        (images / "a.jpg").touch()
    elif how == "size":
        tifffile.imwrite(labels / "a.tif", drawn()[:-1])
    elif how == "fractions":
        tifffile.imwrite(labels / "a.tif", np.full(drawn().shape, 0.5, np.float32))
    elif how == "no objects":
        for name in "ab":
            tifffile.imwrite(labels / f"{name}.tif", np.zeros_like(drawn()))
    elif how == "volume":
        volume = np.stack([picture(drawn())] * 6)
        tifffile.imwrite(images / "a.tif", volume, imagej=True, metadata={"axes": "ZYX"})
        tifffile.imwrite(labels / "a.tif", np.stack([drawn()] * 6), imagej=True, metadata={"axes": "ZYX"})
    return folder


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("nothing", WrongOption, "No annotated source is given"),
        ("nowhere", WrongOption, r"There is no annotated set '.*gone'"),
        ("text", WrongOption, r"notes\.txt' is no JSON file"),
        ("empty", WrongOption, "holds neither a JSON file nor the folders 'images' and 'labels'"),
        ("two files", WrongOption, r"holds 2 JSON files: 'x\.json', 'y\.json'"),
        ("no masks", WrongAnnotation, r"x\.json' has no masks"),
        ("boxes", WrongAnnotation, "has boxes but no masks"),
        ("no COCO", WrongAnnotation, "holds a list"),
        ("image missing", WrongImage, r"None of the 1 images of '.*x\.json' is there: 'a\.png'"),
        ("other size", WrongImage, r"is of \(30, 60\) px \(Y, X\), its annotations are of \(40, 60\)"),
        ("not an image", WrongImage, r"a\.png' cannot be read"),
    ],
)
def test_every_complaint_about_a_source_has_a_value_and_a_hint(tmp_path, how, error, message):
    with pytest.raises(error, match=message) as caught:
        load(broken(tmp_path, how))
    assert isinstance(caught.value, CellSegError)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("partners", WrongAnnotation, r"2 files in '.*' are without a partner: 'images/c\.tif', 'labels/a\.tif'"),
        ("no images", WrongImage, "images' holds no TIFF, PNG or JPEG"),
        ("no labels", WrongAnnotation, "labels' holds no TIFF or PNG"),
        ("same name", WrongAnnotation, r"a\.jpg' and '.*a\.tif' have the same name"),
        ("size", WrongAnnotation, r"a\.tif' have the shape \(63, 96\), image 'a' has \(1, 64, 96\)"),
        ("fractions", WrongAnnotation, r"labels/a\.tif': The labels hold values of type float32"),
        ("no objects", WrongAnnotation, "No object is annotated in 2 images of the folder"),
        ("volume", WrongImage, r"a\.tif' is a volume"),
    ],
)
def test_every_complaint_about_pairs_has_a_value_and_a_hint(tmp_path, how, error, message):
    with pytest.raises(error, match=message) as caught:
        load(broken_pairs(tmp_path, how))
    assert caught.value.hint


def test_long_lists_of_files_are_cut():
    assert annotated_sets.listed("abcdefg") == "'a', 'b', 'c', 'd', 'e' and 2 more"
