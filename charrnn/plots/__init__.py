"""Pictures of runs; needs matplotlib."""
