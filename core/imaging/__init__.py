"""Images as arrays: reading and encoding files, background removal, morphology, color, sheets.

May import numpy and Pillow (inside functions), ``core.jobs`` and below; neither bpy nor torch.
"""
