"""Training of the heads of meaning: family, parts, draws and embedding, on the frozen trunk."""
