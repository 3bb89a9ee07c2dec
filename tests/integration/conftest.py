"""What the tests of whole commands share."""

import numpy as np
import pytest

from command_line import write
from drawings import disks, painting, picture


@pytest.fixture
def folder(tmp_path, fake_method):
    """Two images, one of them painted, and the truth."""
    for name, n in (("a", 16), ("b", 9)):
        cells = disks(n=n)
        write(tmp_path / "images" / f"{name}.tif", picture(cells))
        write(tmp_path / "truth" / f"{name}.tif", cells.astype(np.uint16))
    write(tmp_path / "painted" / "a.tif", painting(disks()))
    return tmp_path
