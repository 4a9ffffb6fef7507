"""The generators, a module for each kind of thing: a family is a function from a random generator to parts.

For ``core.procedural``, which registers them; they use its primitives, solids and materials.
"""
