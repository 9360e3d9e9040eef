"""What is on the disk: atomic files, checkpoints and runs.

It needs neither torch nor a corpus.
"""
