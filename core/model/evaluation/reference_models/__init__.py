"""Architectures of others, rewritten from their papers, with random weights: to time them."""
