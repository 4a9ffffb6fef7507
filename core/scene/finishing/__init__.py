"""From a reconstructed mesh to a finished one: remeshing, symmetry, texturing, wall thickness.

Uses bpy, and ``core.scene`` but not ``rendering`` or ``datagen``. ``pipeline`` is the entry;
meshes come and go as arrays, so that it can run in another Blender process. For the operators and
the command line.
"""
