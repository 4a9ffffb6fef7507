"""Meshes and fields: surface extraction, winding numbers, distances, topology, texture baking.

May import numpy, ``core.imaging`` and below; neither bpy nor torch.
"""
