"""Posed reference images in one frame: orthographic sides, views placed in a scene.

May import numpy, ``core.imaging`` and below; neither bpy nor torch.
"""
