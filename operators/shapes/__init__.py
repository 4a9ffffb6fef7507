"""Operators of the shape space."""
