"""Pictures for people, as PNG."""

from pathlib import Path

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.io.complete_files import complete_file, writing
from napari_cellseg_ssl.core.io.own_files import SOFTWARE


def write_png(file: Path, pixels: Array) -> None:
    """Write (Y, X, 3) uint8, with what wrote it.

    Raises
    ------
    WrongImage
        If the file cannot be written.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_text("Software", SOFTWARE)
    with writing(file), complete_file(file) as partial:
        Image.fromarray(pixels).save(partial, format="PNG", pnginfo=about)
