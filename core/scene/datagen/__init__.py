"""Training sets rendered from Blender: single objects and whole scenes, with what is randomized.

Uses bpy. For the operators; ``objects`` and ``whole_scene`` are the entries.
"""
