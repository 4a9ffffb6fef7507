"""Operators that add and edit procedural objects."""
