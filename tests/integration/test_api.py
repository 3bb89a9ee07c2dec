"""The five calls for notebooks."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

import napari_cellseg_ssl as cs
from drawings import disks, painting, picture
from drawn import trained
from napari_cellseg_ssl.api import messages as api_messages
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongImage, WrongOption, WrongRun
from napari_cellseg_ssl.core.methods import messages as methods_messages
from napari_cellseg_ssl.core.methods.events import Note, Remark, Step
from napari_cellseg_ssl.tasks import messages as tasks_messages
from saying import saying

pytestmark = pytest.mark.usefixtures("fake_method")


def test_arrays_in_labels_out(cells, tmp_path):
    model = cs.train("fake", images=picture(cells), object_diameter=10.0, options={"steps": 3}, out=tmp_path / "run")

    labels = cs.segment(tmp_path / "run", picture(cells))

    assert labels.shape == (64, 64)
    assert cs.score(labels, cells)["f1_50"] == 1.0
    assert cs.load_run(tmp_path / "run").id == model.id


def test_what_a_method_remarks_about_an_image_is_heard(cells, fake_method, monkeypatch):
    monkeypatch.setattr(fake_method, "remarks", lambda bundle, maps: ["Another kind."], raising=False)
    model = cs.train("fake", images=picture(cells), object_diameter=10.0)

    for call in (cs.predict, cs.segment):
        heard = []
        call(model, picture(cells), on_event=heard.append)
        assert Remark("Another kind.") in heard


def test_what_a_file_says_of_its_scale_that_cannot_be_is_heard(cells, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", picture(cells), imagej=True, resolution=(2, 2), metadata={"unit": "furlong"})
    model, heard = cs.train("fake", images=picture(cells), object_diameter=10.0), []

    cs.segment(model, tmp_path / "a.tif", on_event=heard.append)

    assert isinstance(heard[0], Note)
    assert "furlong" in heard[0].text


def test_maps_can_be_segmented_again_with_other_options(cells):
    model = cs.train("fake", images=[picture(cells)], object_diameter=10.0)

    maps = cs.predict(model, picture(cells))

    assert cs.segment(model, maps).max() == 16
    fewer = cs.segment(model, maps, options={"threshold": 1.0}) > 0
    assert np.count_nonzero(fewer) < np.count_nonzero(cs.segment(model, maps))
    with pytest.raises(WrongOption, match="threshhold"):
        cs.segment(model, maps, options={"threshhold": 1.0})


def test_scores_come_beside_the_labels_of_methods_that_have_them(cells, scoring_method, tmp_path):
    fake = cs.train("fake", images=picture(cells), object_diameter=10.0)
    model, heard = replace(fake, method_id="scoring"), []

    labels, scores = cs.segment_scored(model, picture(cells), on_event=heard.append)
    again, same = cs.segment_scored(model, cs.predict(model, picture(cells)), options={"threshold": 0.5})

    assert labels.max() == len(scores[0]) == 16
    assert heard
    assert np.array_equal(again, labels)
    np.testing.assert_allclose(same[0], scores[0])
    cs.write_coco(tmp_path / "cells.json", labels, "a.tif", scores=scores)
    assert cs.read_coco(tmp_path / "cells.json").images[0].objects[0].score == pytest.approx(scores[0][0])
    with pytest.raises(WrongRun, match=saying(api_messages.no_scores)):
        cs.segment_scored(fake, picture(cells))


def test_movies_come_back_as_movies(cells):
    movie = np.stack([picture(cells)] * 3)
    model = cs.train("fake", images=ImageStack.from_array(movie), object_diameter=10.0)

    assert cs.segment(model, movie).shape == (3, 64, 64)


def test_files_pair_with_labels_and_the_listener_hears_everything(cells, tmp_path):
    for folder, array in (("images", picture(cells)), ("painted", painting(cells))):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "a.tif", array)
    heard = []

    cs.train(
        "fake",
        images=tmp_path / "images",
        labels=tmp_path / "painted",
        labels_mode="sparse",
        object_diameter=10.0,
        on_event=heard.append,
    )

    assert any(isinstance(event, Note) for event in heard)
    assert any(isinstance(event, Step) for event in heard)


def test_labels_are_given_by_position_or_not_at_all(cells):
    images = [picture(cells), picture(disks(n=3))]

    assert cs.train("fake", images=images, labels=[painting(cells), None], object_diameter=10.0).method_id == "fake"
    with pytest.raises(WrongAnnotation, match="2 images but 1 labels"):
        cs.train("fake", images=images, labels=[painting(cells)], object_diameter=10.0)


def test_a_model_starts_from_another_and_remembers_it(cells):
    first = cs.train("fake", images=picture(cells), object_diameter=10.0)

    second = cs.train("fake", images=picture(cells), object_diameter=10.0, start_from=first)

    assert second.provenance.parent == first.id


def test_a_model_of_another_method_is_no_start(cells):
    classical = cs.train("classical", images=picture(cells), object_diameter=10.0)

    with pytest.raises(WrongRun, match=saying(tasks_messages.cannot_start_from)):
        cs.train("fake", images=picture(cells), object_diameter=10.0, start_from=classical)


def test_without_an_image_there_is_a_clear_error():
    with pytest.raises(WrongImage, match=saying(methods_messages.no_image)):
        cs.train("fake", images=[])


def test_scores_need_as_many_truths_as_predictions(cells):
    with pytest.raises(WrongAnnotation, match="1 predictions but 2 truths"):
        cs.score([cells], [cells, cells])


def renumbered(cells, seed=0):
    """The same cells with other numbers."""
    numbers = np.r_[0, 1 + np.random.default_rng(seed).permutation(cells.max())]
    return numbers[cells]


def test_cells_may_have_other_numbers_in_each_frame_of_a_movie(cells):
    truth = np.stack([cells, disks(n=9), cells])
    movie = np.stack([renumbered(frame, n) for n, frame in enumerate(truth)])

    scores = cs.score(movie, truth)

    assert scores["f1_50"] == scores["seg"] == 1.0
    assert (scores["n_images"], scores["n_truth"]) == (3, 16 + 9 + 16)
    assert "(3, 64, 64) is scored as TYX, frames over time. Say the axes ZYX if it is a volume" in scores["notes"][0]
    in_a_list = cs.score(list(movie), list(truth))
    assert in_a_list["notes"] == []
    assert {**in_a_list, "notes": scores["notes"]} == scores


def test_a_volume_is_scored_in_space_when_its_axes_are_said():
    ball = np.zeros((5, 12, 12), int)
    ball[1:4, 3:9, 3:9] = 1

    scores = cs.score(ball, ball, axes="ZYX")

    assert (scores["n_truth"], scores["n_images"], scores["notes"]) == (1, 1, [])
    assert cs.score(ball[None], ball)["n_truth"] == 3
    assert cs.score(np.stack([ball, ball]), np.stack([ball, ball]), axes="TZYX")["n_truth"] == 2
    with pytest.raises(WrongAnnotation, match="axes 'QYX'"):
        cs.score(ball, ball, axes="QYX")


def test_scores_of_labels_of_other_shapes_are_refused(cells):
    with pytest.raises(WrongAnnotation, match=r"truth is \(64, 64\) and the prediction \(32, 64\)"):
        cs.score(cells[:32], cells)


def test_which_files_pair_is_heard_before_the_training(cells, tmp_path):
    for name, array in (("a.tif", picture(cells)), ("a_masks.tif", painting(cells)), ("b.tif", picture(cells))):
        tifffile.imwrite(tmp_path / name, array)
    heard = []

    cs.train("fake", images=tmp_path, labels=tmp_path, object_diameter=10.0, on_event=heard.append)

    notes = [event.text for event in heard if isinstance(event, Note)]
    assert notes[0] == "Not taken for images, since the image that they are of lies beside them: 'a_masks.tif'."
    assert notes[1] == "1 of 2 images have labels; without: 'b.tif'."


def test_starter_models_that_do_not_exist_are_said():
    with pytest.raises(WrongRun, match=r"starter model 'newts'.*starter:nuclei"):
        cs.load_run("starter:newts")


TINY = {"steps": 4, "crop": 32, "batch": 2, "width": 4}


def test_what_two_methods_agree_on_is_learnt_from_without_painting(cells):
    other = np.where(cells == 2, 0, cells)

    model = cs.train(
        "actis",
        images=[picture(cells)],
        pseudo_labels=[cells],
        agreeing_with=[other],
        object_diameter=10.0,
        options=TINY,
    )

    assert model.provenance.steps == 4
    assert any("15 annotated cells" in note for note in model.provenance.notes)


def test_painted_cells_judge_what_was_learnt_from_pseudo_labels(cells):
    painted = np.where(np.isin(cells, [5, 6, 7, 8, 9]), cells + 1, 0)

    model = cs.train(
        "actis",
        images=[picture(cells)],
        labels=[painted],
        labels_mode="sparse",
        pseudo_labels=[cells],
        object_diameter=10.0,
        options=TINY,
    )

    assert any("5 annotated cells" in note for note in model.provenance.notes)


def test_results_to_agree_with_need_results_that_agree(cells):
    with pytest.raises(WrongAnnotation, match="agree"):
        cs.train("actis", images=[picture(cells)], agreeing_with=[cells])


def test_pseudo_labels_of_another_image_are_refused(cells):
    with pytest.raises(WrongAnnotation, match="shape"):
        cs.train("actis", images=[picture(cells)], pseudo_labels=[cells[:32]], object_diameter=10.0)
    with pytest.raises(WrongAnnotation, match="shape"):
        cs.train(
            "actis",
            images=[picture(cells)],
            labels=[cells[:32]],
            labels_mode="dense",
            pseudo_labels=[cells],
            object_diameter=10.0,
        )


def test_a_model_draws_pairs_as_arrays():
    pairs = cs.synthesise(trained(), (48, 64), count=2, seed=3)

    assert len(pairs) == 2
    image, labels = pairs[0]
    assert (image.shape, image.dtype, labels.shape, labels.dtype) == ((48, 64), np.float32, (48, 64), np.int32)
    assert 0 <= image.min() < image.max() <= 1
    assert labels.max() > 1
    with pytest.raises(WrongImage, match="2D images, not 3D"):
        cs.synthesise(trained(), (8, 48, 64))
    with pytest.raises(WrongRun, match=saying(tasks_messages.draws_no_images)):
        cs.synthesise(trained("classical"), (48, 64))


def test_an_image_becomes_its_mask_in_as_many_steps_as_asked_for(cells, tmp_path):
    model = trained()
    model.save(tmp_path / "run")

    steps = cs.interpolate(tmp_path / "run", picture(cells), object_diameter=11.0)

    mask = cs.predict(model, picture(cells), object_diameter=11.0).to_source("translated-mask")[0, 0]
    assert steps.shape == (11, 64, 64)
    np.testing.assert_allclose(steps[-1], mask, atol=0.02)
    movie = cs.interpolate(model, np.stack([picture(cells)] * 2), steps=3, object_diameter=11.0)
    assert movie.shape == (3, 2, 64, 64)
    np.testing.assert_allclose(movie[-1, 1], mask, atol=0.02)


def test_instances_are_written_as_coco_and_read_again(cells, tmp_path):
    cs.write_coco(tmp_path / "one.json", cells, "a.tif", scores={1: 0.75})
    cs.write_coco(tmp_path / "two.json", [cells, cells[:32]], ["a.tif", "b.tif"])
    cs.write_coco(tmp_path / "movie.json", np.stack([cells, cells]), "m.tif")

    (one,) = cs.read_coco(tmp_path / "one.json").images
    assert np.array_equal(one.labels(), cells)
    assert [found.score for found in one.objects[:2]] == [0.75, None]
    assert [image.shape for image in cs.read_coco(tmp_path / "two.json").images] == [(64, 64), (32, 64)]
    assert [image.frame for image in cs.read_coco(tmp_path / "movie.json").images] == [0, 1]
