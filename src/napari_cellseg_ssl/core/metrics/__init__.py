"""Scores and measurements of label images."""
