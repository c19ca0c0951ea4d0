"""Tests in a real browser; they skip, with the reason, where there is none."""
