"""Procedural objects that can be edited: built from a recipe, and built anew in place.

The recipe (``core.procedural.recipes``) is stored on the object as a JSON text.
"""
