"""Closing meshes of any origin: welding, orienting, filling holes, thickening, extracting anew.

Neither bpy nor torch. For finishing.
"""
