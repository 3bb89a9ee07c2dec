"""Painting and correcting cells on the canvas."""
