"""Changes of a reconstructed surface that need no model: smoothing and a flat base."""
