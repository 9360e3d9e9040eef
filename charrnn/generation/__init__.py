"""Weights to text, in NumPy only. Knows nothing of training."""
