"""Photographs without cameras: solved cameras and a sparse cloud of points.

Knows neither Blender nor, but for ``neighbor_matching`` and ``dense``, PyTorch.

World axes: right-handed, Z up, the floor is z = 0, the object stands at the origin, and the first
photograph is taken from -Y. Lengths: the longest side of the object's points is 1. Pixels: u to
the right, v down, (0, 0) is the outer corner of the top left pixel of the photograph turned
upright.
"""
