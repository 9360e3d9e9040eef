"""Finding what a text copies from a corpus, and generating text that does not copy."""
