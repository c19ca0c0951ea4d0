"""Rows of any known file into conversations: one shape a module, what is malformed named, nothing skipped."""
