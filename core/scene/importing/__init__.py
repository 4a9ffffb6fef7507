"""Mesh files into Blender: what they show, within limits, and nothing of them is run."""
