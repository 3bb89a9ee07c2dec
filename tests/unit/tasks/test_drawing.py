import numpy as np
import pytest

from balls import ball_volume
from drawings import disks, picture
from drawn import trained
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.errors import WrongAnnotation
from napari_cellseg_ssl.core.methods.events import Note, TileDone, last_of
from napari_cellseg_ssl.tasks import Control
from napari_cellseg_ssl.tasks import messages as tasks_messages
from napari_cellseg_ssl.tasks.pipelines import Model
from napari_cellseg_ssl.tasks.synthesis_pipeline import ExampleDrawn, PairsReady, draw_example, write_pairs
from saying import saying


@pytest.fixture(scope="module")
def bundle():
    return trained()


def image(shape=(64, 64), **settings):
    return ImageStack.from_array(picture(disks(shape)), name="disks", **settings)


def test_an_example_fills_the_frame_with_objects_as_large_as_in_it(bundle):
    drawn = last_of(draw_example(lambda: image((64, 96)), Model(bundle, 28.0), 1, Control()), ExampleDrawn)

    assert drawn.pair.image.shape == (32, 48)
    assert drawn.pixel == (2.0, 2.0)


def test_a_large_example_is_cut(bundle):
    drawn = last_of(draw_example(lambda: image((64, 600)), Model(bundle, 7.0), 1, Control()), ExampleDrawn)

    assert drawn.pair.image.shape == (128, 512)


def test_an_example_of_a_volume_has_cubes_for_voxels():
    model = Model(trained(ndim=3), 24.0)
    _, volume = ball_volume()

    drawn = last_of(draw_example(lambda: volume, model, 1, Control()), ExampleDrawn)

    assert volume.aspect[0] == 3
    assert drawn.pixel == pytest.approx((2 / 3, 2, 2))
    wanted = np.array(volume.spatial_shape) / drawn.pixel
    np.testing.assert_allclose(drawn.pair.image.shape, np.minimum(wanted, 96), atol=1)


def test_pairs_come_back_as_they_are_learned_from(bundle, tmp_path):
    events = list(write_pairs(Model(bundle), tmp_path / "new", 3, 1, 1, Control()))

    (ready,) = [event for event in events if isinstance(event, PairsReady)]
    assert [file.path.name for file in ready.files] == [f"synthetic_000{n}.tif" for n in (1, 2, 3)]
    assert {file.diameter for file in ready.files} == {14.0}
    assert all(file.annotation.known.all() and file.annotation.n_cells > 5 for file in ready.files)
    assert [event.done / event.total for event in events if isinstance(event, TileDone)][-1] == 1


def test_pairs_do_not_mix_with_what_lies_in_a_folder(bundle, tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("drawn pairs 1", "drawn pairs 2"):
        ready = last_of(write_pairs(Model(bundle), tmp_path, 1, 1, 1, Control()), PairsReady)
        assert ready.folder == tmp_path / name
    assert not list((tmp_path / "images").iterdir())


def test_a_stop_keeps_the_pairs_that_are_there(bundle, tmp_path):
    control, n = Control(), 0
    for event in write_pairs(Model(bundle), tmp_path, 100, 1, 1, control):
        if isinstance(event, TileDone) and event.done == 4:
            control.stop()
        n = len(event.files) if isinstance(event, PairsReady) else n

    assert n == 2


def test_a_folder_that_cannot_be_made_is_said(bundle, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(WrongAnnotation, match=saying(tasks_messages.folder_not_made)):
        last_of(write_pairs(Model(bundle), tmp_path / "file" / "inside", 1, 1, 1, Control()), Note)
