"""One session per viewer: controller, workers, autosave, the user's selection."""
