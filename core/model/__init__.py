"""The network and what runs it. May import torch, never bpy.

Shapes are named by one letter: B batch, N views, P points, C channels, H height, W width, D volume side.
"""
