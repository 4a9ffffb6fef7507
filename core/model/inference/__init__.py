"""From images to a mesh with the trained networks: preprocessing, fields, confidence, fitting, weights.

For ``core.model.jobs``, training (validation and export) and evaluation.
"""
