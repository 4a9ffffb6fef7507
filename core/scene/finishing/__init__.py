"""From a reconstructed mesh to a finished one: remeshing, texturing, wall thickness.

Uses bpy. For the operators; ``pipeline`` is the entry.
"""
