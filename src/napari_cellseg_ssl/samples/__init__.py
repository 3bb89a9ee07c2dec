"""The packaged sample images (CC0; see README.md beside this file)."""

from pathlib import Path

FOLDER = Path(__file__).parent
IMAGES, LABELS, PAINTED = FOLDER / "images", FOLDER / "labels", FOLDER / "painted"
NAMES = ("nuclei_1", "nuclei_2", "nuclei_3")
