"""Counts of what followed each context in the training text, mixed into the network's logits."""
