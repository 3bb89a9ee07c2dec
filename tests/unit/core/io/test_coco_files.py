"""COCO JSON: what is read of other people's files, and that our own keep every pixel."""

import json

import numpy as np
import pytest
from pycocotools import mask as reference
from pycocotools.coco import COCO

from drawings import disks
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongImage, WrongOption
from napari_cellseg_ssl.core.io import messages as io_messages
from napari_cellseg_ssl.core.io.coco_reading import read_coco
from napari_cellseg_ssl.core.io.coco_writing import write_coco
from saying import saying

SQUARE = [2, 3, 8, 3, 8, 9, 2, 9]


def image(id_=1, name="a.tif", shape=(20, 30)):
    return {"id": id_, "file_name": name, "height": shape[0], "width": shape[1]}


def annotation(segmentation, id_=1, image_id=1, category_id=1, **more):
    return {"id": id_, "image_id": image_id, "category_id": category_id, "segmentation": segmentation, **more}


def written(folder, *annotations, images=None, categories=({"id": 1, "name": "cell"},), **more):
    content = {"images": images or [image()], "annotations": list(annotations), "categories": list(categories), **more}
    file = folder / "annotations.json"
    file.write_text(json.dumps(content))
    return file


def one_mask(file):
    (found,) = read_coco(file).images
    return found.masks()


def test_a_polygon_fills_its_pixels(tmp_path):
    (mask,) = one_mask(written(tmp_path, annotation([SQUARE])))

    assert mask.shape == (20, 30)
    assert np.array_equal(np.argwhere(mask).min(0), [3, 2])
    assert mask.sum() == 36


def test_an_object_may_have_several_parts(tmp_path):
    (mask,) = one_mask(written(tmp_path, annotation([SQUARE, [20, 3, 26, 3, 26, 9, 20, 9]])))

    assert mask.sum() == 72
    assert mask[5, 4]
    assert mask[5, 22]


def test_one_polygon_may_stand_without_its_list(tmp_path):
    assert one_mask(written(tmp_path, annotation(SQUARE))).sum() == 36


def test_degenerate_polygons_are_not_taken_for_boxes(tmp_path):
    found = read_coco(written(tmp_path, annotation([[2, 3, 8, 9]]), annotation([SQUARE, [1, 1, 4, 4]])))

    assert found.images[0].masks().sum() == 36
    assert found.skipped == {"below 4 px": 1}


def test_run_lengths_are_read_compressed_or_not(tmp_path):
    truth = np.zeros((20, 30), bool)
    truth[4:9, 5:12] = True
    coded = reference.encode(np.asfortranarray(truth.astype(np.uint8)))
    flat = truth.T.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    counts = np.diff([0, *edges, flat.size]).tolist()

    masks = one_mask(
        written(
            tmp_path,
            annotation({"size": [20, 30], "counts": coded["counts"].decode()}),
            annotation({"size": [20, 30], "counts": counts}),
        )
    )

    assert np.array_equal(masks, [truth, truth])


def test_crowds_specks_and_boxes_are_left_out_and_counted(tmp_path):
    found = read_coco(
        written(
            tmp_path,
            annotation([SQUARE]),
            annotation({"size": [20, 30], "counts": [600]}, iscrowd=1),
            annotation([SQUARE], area=0),
            annotation([SQUARE], bbox=[2, 3, 1, 1]),
            annotation([], bbox=[0, 0, 5, 5]),
        )
    )

    assert len(found.images[0].objects) == 1
    assert found.skipped == {"crowd": 1, "below 4 px": 2, "without a mask": 1}
    assert str(found) == ("1 objects of 1 categories in 1 images; left out: 1 crowd, 2 below 4 px, 1 without a mask.")


def test_gaps_between_categories_are_closed(tmp_path):
    names = ({"id": 90, "name": "brush"}, {"id": 7, "name": "train"}, {"id": 3, "name": "car"})

    found = read_coco(written(tmp_path, annotation([SQUARE], category_id=90), categories=names))

    assert found.categories == {90: "brush", 7: "train", 3: "car"}
    assert found.classes == {3: 1, 7: 2, 90: 3}


def test_a_category_without_a_name_is_called_by_its_number(tmp_path):
    assert read_coco(written(tmp_path, annotation([SQUARE], category_id=4), categories=())).categories == {4: "4"}


def test_boxes_enclose_their_masks(tmp_path):
    (found,) = read_coco(written(tmp_path, annotation([SQUARE]))).images

    assert found.boxes().tolist() == [[2, 3, 8, 9]]
    assert read_coco(written(tmp_path)).images[0].boxes().shape == (0, 4)


def test_the_smaller_one_of_two_overlapping_objects_lies_on_top(tmp_path):
    small = [4, 5, 6, 5, 6, 7, 4, 7]

    (found,) = read_coco(written(tmp_path, annotation([small]), annotation([SQUARE]))).images

    labels = found.labels()
    assert (labels == 1).sum() == 4
    assert (labels == 2).sum() == 32
    assert found.masks().sum() == 40


def test_images_are_found_in_folders_and_by_stem(tmp_path):
    file = written(tmp_path, images=[image(1, "A172_1.tif"), image(2, "sub/b.jpg"), image(3, "c")])
    for name in ("images/A172/A172_1.tif", "images/sub/b.jpg", "images/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    found = read_coco(file, tmp_path / "images")

    assert [one.path.relative_to(tmp_path / "images").as_posix() for one in found.images] == [
        "A172/A172_1.tif",
        "sub/b.jpg",
        "c.png",
    ]


def test_missing_images_are_named(tmp_path):
    file = written(tmp_path, images=[image(1, "a.tif"), image(2, "b.tif"), image(3, "same.tif")])
    for name in ("a.tif", "one/same.tif", "two/same.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    with pytest.raises(WrongImage, match=r"2 of 3 images are not in .*'b\.tif'"):
        read_coco(file, tmp_path)
    with pytest.raises(WrongImage, match=saying(io_messages.no_such_folder)):
        read_coco(file, tmp_path / "elsewhere")
    assert len(read_coco(file).images) == 3


def test_annotations_may_be_a_dictionary_as_in_livecell(tmp_path):
    file = tmp_path / "livecell.json"
    record = annotation([SQUARE], id_=5, image_id=1, bbox=[2, 3, 6, 6], area=36.0, iscrowd=0)
    file.write_text(
        json.dumps({"images": [{**image(name="BV2_1.tif"), "url": "x"}], "annotations": {"5": record}, "info": {}})
    )

    found = read_coco(file)

    assert found.images[0].masks().sum() == 36


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "holds a list"),
        ('{"images": []}', "not in the format of COCO"),
        ('{"images": [{"id": 1}], "annotations": []}', "not in the format of COCO"),
        ('{"images": [], "annotations": [{"image_id": 3, "segmentation": [[1,1,5,1,5,5]]}]}', "does not list"),
    ],
)
def test_other_files_are_refused_in_words(tmp_path, content, message):
    file = tmp_path / "other.json"
    file.write_text(content)

    with pytest.raises(WrongAnnotation, match=message):
        read_coco(file)


def test_a_file_that_is_not_there_and_one_with_boxes_alone_are_refused(tmp_path):
    with pytest.raises(WrongAnnotation, match=saying(io_messages.no_such_coco_file)):
        read_coco(tmp_path / "none.json")
    with pytest.raises(WrongAnnotation, match=saying(io_messages.boxes_without_masks)):
        read_coco(written(tmp_path, annotation([], bbox=[0, 0, 5, 5])))


def test_masks_that_do_not_fit_their_image_are_named(tmp_path):
    (wrong_size,) = read_coco(written(tmp_path, annotation({"size": [5, 5], "counts": [10, 15]}))).images
    (no_counts,) = read_coco(written(tmp_path, annotation({"size": [20, 30]}))).images

    with pytest.raises(WrongAnnotation, match=r"Mask 1 of 'a.tif' has the shape \(5, 5\)"):
        wrong_size.masks()
    with pytest.raises(WrongAnnotation, match=saying(io_messages.mask_cannot_be_decoded)):
        no_counts.labels()


def scattered(seed):
    """Draw instances with holes, several parts, and pixels at every edge, with gaps between ids; (Y, X) int32."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 6, (9, 7))
    labels = np.kron(coarse, np.ones((4, 5), int)) * (rng.random((36, 35)) < 0.8)
    return (labels * 7).astype(np.int32)


@pytest.mark.parametrize("seed", range(5))
def test_labels_come_back_pixel_by_pixel(tmp_path, seed):
    labels = scattered(seed)
    file = tmp_path / "out" / "coco.json"

    write_coco(file, [labels], ["a.tif"])

    (found,) = read_coco(file).images
    ids = np.unique(labels)[1:]
    assert np.array_equal(np.concatenate([[0], ids])[found.labels()], labels)
    assert np.array_equal(found.masks(), [labels == id_ for id_ in ids])


def test_run_lengths_are_those_of_the_reference(tmp_path):
    labels = scattered(1)
    file = tmp_path / "coco.json"

    write_coco(file, [labels], ["a.tif"])

    theirs = COCO(str(file))
    for one in theirs.anns.values():
        mask = labels == one["label"]
        coded = reference.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert one["segmentation"]["counts"] == coded["counts"].decode()
        assert one["area"] == mask.sum()
        assert one["bbox"] == reference.toBbox(coded).tolist()
        assert np.array_equal(theirs.annToMask(one), mask)


def test_frames_and_scores_are_written(tmp_path):
    file = tmp_path / "movie.json"

    write_coco(file, [disks(), disks(n=4)], ["m.tif", "m.tif"], scores=[{1: 0.5}, {}], info={"method": "fake"})

    content = json.loads(file.read_text())
    first, second = read_coco(file).images
    assert content["info"] == {"method": "fake"}
    assert (first.frame, second.frame) == (0, 1)
    assert [one.score for one in first.objects][:2] == [0.5, None]
    assert len({one["id"] for one in content["annotations"]}) == len(first.objects) + len(second.objects)
    assert np.array_equal(second.labels(), disks(n=4))


def test_scores_may_be_given_in_the_order_of_the_ids(tmp_path):
    import napari_cellseg_ssl as cs

    scores = np.linspace(0.9, 0.5, 16)
    for told in (scores, (scores,), {i + 1: score for i, score in enumerate(scores)}):
        cs.write_coco(tmp_path / "one.json", disks(), "a.tif", scores=told)

        (image,) = read_coco(tmp_path / "one.json").images
        assert [one.score for one in image.objects] == pytest.approx(scores)


def test_nothing_found_is_a_valid_file(tmp_path):
    file = tmp_path / "empty.json"

    write_coco(file, [np.zeros((8, 8), np.int32)], ["a.tif"])

    assert read_coco(file).images[0].labels().max() == 0


def test_volumes_and_folders_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(WrongOption, match="volumes"):
        write_coco(tmp_path / "v.json", [np.zeros((2, 8, 8), np.int32)], ["v.tif"])
    (tmp_path / "file").touch()
    with pytest.raises(WrongImage, match="cannot be written"):
        write_coco(tmp_path / "file" / "v.json", [np.zeros((8, 8), np.int32)], ["v.tif"])
