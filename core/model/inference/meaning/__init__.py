"""What an image means: families, parts, draws and embeddings, by heads on the frozen trunk."""
