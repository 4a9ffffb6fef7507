"""Images of objects: a temporary scene with a camera and lights, random materials, thumbnails.

Uses bpy, and ``core.scene`` but not ``finishing`` or ``datagen``. ``studio`` is the entry: it
renders objects from given cameras and restores the open file. For ``core.scene.datagen``, the
operators and the command line.
"""
