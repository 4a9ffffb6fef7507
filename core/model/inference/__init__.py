"""From images to a mesh with the trained networks.

Preprocessing, segmentation, fields, confidence, silhouette fitting and weights. For
``core.model.jobs``, training (validation and export) and evaluation.
"""
