"""What a text has copied from a corpus, and how to write without copying."""
