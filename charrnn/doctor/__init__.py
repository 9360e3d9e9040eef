"""The corpus doctor: what may be wrong with a text before a model is trained on it."""
