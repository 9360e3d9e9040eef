"""What a user can set, from flags, the environment, YAML and Python."""
