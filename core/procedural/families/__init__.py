"""The families, by kind of object; each is a function from a random generator to parts.

For ``core.procedural``, which registers them; they use its primitives, solids and materials.
"""
