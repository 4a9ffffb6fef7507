"""The networks: single-view and multi-view reconstruction, foreground, and their layers.

Only torch and numpy; no files, no images on disk. For inference and training.
"""
