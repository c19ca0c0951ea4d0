"""Merged models and servers of this machine."""
