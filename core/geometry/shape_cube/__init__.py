"""The cube that shapes fill in the shape space: boxes, fields and points in it."""
