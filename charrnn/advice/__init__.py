"""What a run will be like, how good it is, and what to do next."""
