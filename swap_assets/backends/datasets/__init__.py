"""Data sets from the hub or local files, and conversations on disk."""
