"""Between napari's layers and the records that jobs work on."""
