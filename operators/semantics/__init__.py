"""Operators on what the model says of an object."""
