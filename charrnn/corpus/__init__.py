"""Text files to ids, and ids to batches. Independent of the models."""
