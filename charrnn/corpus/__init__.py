"""Text files to ids. Knows nothing of models."""
