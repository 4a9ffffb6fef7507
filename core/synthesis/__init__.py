"""What a training set shows, as plain values: rigs, cameras, lights, backgrounds, occluders.

May import numpy and ``core.dataset`` and below; neither bpy nor torch. ``core.scene`` builds the
values in Blender.
"""
