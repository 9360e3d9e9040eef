"""Generate text from trained weights, in NumPy alone."""
