"""The napari side: docks, panels and layers. The only part that knows Qt and napari."""
