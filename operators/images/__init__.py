"""Operators on the image to reconstruct from: choose, drop, cut out."""
