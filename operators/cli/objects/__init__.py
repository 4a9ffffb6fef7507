"""Commands that make objects without a model."""
