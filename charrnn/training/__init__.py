"""Ids to weights. The only room that imports torch; knows nothing of sampling and of printing."""
