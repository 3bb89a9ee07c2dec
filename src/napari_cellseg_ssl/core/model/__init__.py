"""Trained models: the record, its run folder, its weights file, and the starter models in the package."""
