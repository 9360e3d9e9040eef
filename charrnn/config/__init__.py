"""Knobs, and a run's configuration: from flags, the environment, YAML and Python. Imports errors
alone."""
