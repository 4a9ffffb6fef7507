"""The networks and everything that runs them. May import torch, never bpy.

Axes of tensors are named by one letter: B batch, N views, P points, C channels, H height, W width,
D side of a volume.
"""
