"""Training of the shape space and of the generators of shapes in it."""
