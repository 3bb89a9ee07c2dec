"""From maps to instances: arrays in, label images out."""
