"""What a training set shows, as plain values: camera rigs, sampled cameras, lights, backgrounds, occluders.

May import numpy and ``core.dataset`` and below; neither bpy nor torch. ``core.scene`` puts the values into Blender.
"""
