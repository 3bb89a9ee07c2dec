"""Files on disk to records and back: TIFF, OME-Zarr, PNG, COCO, and which labels belong to which image."""
