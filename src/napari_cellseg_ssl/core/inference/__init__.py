"""Image and model to maps and detections: tiles, windows, blocks."""
