"""Operators on a reconstructed object: see its confidence, mirror it, keep it as an asset."""
