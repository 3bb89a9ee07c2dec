"""The one loop in which every method learns, and what a method brings to it."""
