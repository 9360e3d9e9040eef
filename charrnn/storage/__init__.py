"""What is on the disk: atomic files, checkpoints, runs. Needs neither torch nor a corpus."""
