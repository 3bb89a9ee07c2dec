"""Maps to instances: arrays in, label images out."""
