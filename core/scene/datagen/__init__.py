"""Training sets rendered from Blender: single objects and whole scenes, with what is randomized.

Uses bpy, ``core.scene.rendering`` and the plain values of ``core.synthesis``. The entries are
``sources`` (what to render), ``objects`` (objects one by one), ``whole_scene`` (a scene as it is)
and ``interiors`` (rooms as environment images). For the operators and the command line.
"""
