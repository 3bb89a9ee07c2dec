"""`python -m napari_cellseg_ssl.cli`, where the command is not on the path."""

import sys

from napari_cellseg_ssl.cli import main

sys.exit(main())
