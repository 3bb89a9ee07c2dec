"""What jobs work on, as frozen records: images, annotations, training sets, maps, detections."""
