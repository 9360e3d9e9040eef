"""How likely a model finds each character of a text, and what it expected instead."""
