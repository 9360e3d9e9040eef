"""Files on disk: atomic writes, checkpoints and runs.

Needs neither torch nor a corpus.
"""
