"""Algorithms: arrays and frozen records in, arrays and events out. Knows neither Qt nor napari."""
