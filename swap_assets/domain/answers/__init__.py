"""Answers as text: the expected one written, the given one read, strictly and leniently."""
